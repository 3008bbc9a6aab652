"""Failure records of all metrics of a protocol."""

from __future__ import annotations

from reworld_agent.pdm.metrics.definition.protocol import Protocol
from reworld_agent.pdm.metrics.raw_columns import Raw
from reworld_agent.pdm.metrics.records import Names, Records
from reworld_agent.pdm.metrics.table import OFFICIAL


def failure_records(protocol: Protocol, raw: Raw, names: Names) -> Records:
    """Failure records [N] of the official metrics of a protocol, `<metric>_<record>`."""
    return {
        f"{row.name}_{name}": values
        for row in OFFICIAL
        if row.records is not None and row.name in protocol.raw
        for name, values in row.records(raw, names).items()
    }
