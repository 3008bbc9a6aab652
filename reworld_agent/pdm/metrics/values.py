"""From raw columns to the columns of a protocol."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.definition.protocol import Protocol
from reworld_agent.pdm.metrics.raw_columns import Raw
from reworld_agent.pdm.metrics.records import Names, Records
from reworld_agent.pdm.metrics.table import OFFICIAL


def raw_values(protocol: Protocol, raw: Raw) -> dict[str, NDArray[np.float64]]:
    """Official metrics [N] that are raw columns: all of one frame but EP."""
    return {name: raw[column].copy() for name, column in protocol.raw.items()}


def failure_records(protocol: Protocol, raw: Raw, names: Names) -> Records:
    """Failure records [N] of all official metrics of a protocol, `<metric>_<record>`."""
    return {
        f"{row.name}_{name}": values
        for row in OFFICIAL
        if row.records is not None and row.name in protocol.raw
        for name, values in row.records(raw, names).items()
    }
