"""Effects of designs that were run earlier or elsewhere, out of the tables that were kept of them.

The runs of all designs take days and gigabytes. What their tables say is a few rows, and names
the design that they are of by its hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reworld_agent.benchmarks.evidence.designs import Design, Designs
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.result_tables import read_frame, read_provenance
from reworld_agent.core.text import shown

PROTOCOL = "evidence_1"
Row = dict[str, Any]
_AGAIN = "run `reworld evidence table` over its runs again, or leave kept= out"


def origin_of(found: Designs, rows: Sequence[Row], over_towns: bool) -> dict[str, Any]:
    """What a table says of itself: all that its rows depend on beside the runs."""
    return {
        "protocol": PROTOCOL,
        "world": found.world.version,
        "splits": [found.world.train, found.world.validation, found.world.test],
        "intervals": "towns" if over_towns else "drives within towns",
        "designs": {name: design.digest for name, design in found.designs.items()},
        "gate": {row["design"]: row["gate"] for row in rows},
    }


def kept_rows(
    files: Sequence[Path], found: Designs, over_towns: bool, columns: Sequence[str]
) -> dict[str, list[Row]]:
    """Rows by the design, of all designs that one of the tables has an effect of.

    Args:
        files: FILE.parquet of earlier tables.
        found: the designs as they are now.
        over_towns: of the intervals that are wanted.
        columns: of a table.

    Raises:
        DataError: a table is damaged, or was changed.
        ConfigError: it is of another design of that name, world, splits or intervals, or two have
            the same design.
    """
    kept: dict[str, list[Row]] = {}
    wanted = origin_of(found, (), over_towns)
    for file in files:
        origin = read_provenance(file, _AGAIN)
        table = read_frame(file, _AGAIN)
        if list(table.columns) != list(columns) or origin.get("protocol") != PROTOCOL:
            raise DataError(f"{shown(file)} is no table of `reworld evidence table`", _AGAIN)
        for key in ("world", "splits", "intervals"):
            if origin.get(key) != wanted[key]:
                message = f"{shown(file)}: its {key} is {origin.get(key)}, not {wanted[key]}"
                raise ConfigError(message, _AGAIN)
        of_file: dict[str, list[Row]] = {}
        for row in table.to_dict("records"):
            of_file.setdefault(str(row["design"]), []).append({str(k): v for k, v in row.items()})
        for name, rows in of_file.items():
            if all(pd.isna(row["effect"]) for row in rows):
                continue  # not run there
            _check(file, name, rows, found.designs.get(name), origin)
            if name in kept:
                message = f"{shown(file)} and an earlier one of kept= both have design {name}"
                raise ConfigError(message, "keep one of them")
            kept[name] = rows
    return kept


def _check(
    file: Path, name: str, rows: Sequence[Row], design: Design | None, origin: Mapping[str, Any]
) -> None:
    """The rows are of the design of that name as it is now; raises ConfigError."""
    digests = origin.get("designs")
    digest = digests.get(name) if isinstance(digests, dict) else None
    same = design is not None and digest == design.digest
    if not same or [row["contrast"] for row in rows] != list(design.contrasts if design else ()):
        raise ConfigError(f"{shown(file)} has effects of another design {name}", _AGAIN)
