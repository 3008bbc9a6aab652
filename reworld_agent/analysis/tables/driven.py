"""Runs of `reworld drive`: their failures have a table of their own, told as they were driven."""

from __future__ import annotations

import pandas as pd

from reworld_agent.analysis.tables.files import DRIVE_FAILURES
from reworld_agent.analysis.tables.raw_tables import open_table
from reworld_agent.analysis.tables.runs import Run
from reworld_agent.analysis.tables.score_tables import ScoreTable
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.text import shown
from reworld_agent.core.vocabulary import DRIVE_V1
from reworld_agent.pdm.cache_io.folder import SceneCaches

_WORLD = ("world", "town_version", "seconds")  # of a table's provenance


def is_driven(table: ScoreTable) -> bool:
    """Whether a table is one of drives."""
    return table.protocol.name == DRIVE_V1


def require_same_world(a: ScoreTable, b: ScoreTable) -> None:
    """Refuse two runs of drives that were not driven in the same scenarios; raises ConfigError.

    Scenarios of another version of the town, or of another length, bear the same names.
    """
    for key in _WORLD if is_driven(a) and is_driven(b) else ():
        first, second = a.provenance.get(key), b.provenance.get(key)
        if first != second:
            raise ConfigError(
                f"unlike worlds: {shown(a.path)} was driven with {key}={first}, {shown(b.path)} "
                f"with {key}={second}",
                "drive both in the same scenarios",
            )


def driven_run(table: ScoreTable) -> Run:
    """A run of drives: scenarios in the place of scenes, and no plans that could be scored."""
    split = str(table.provenance.get("split", "unknown split"))
    home = table.path.parent
    return Run(table, pd.Series(dtype=object), SceneCaches(home, home, split))


def driven_failures(table: ScoreTable, columns: list[str]) -> pd.DataFrame:
    """Failures of a run of drives, worst scenarios first.

    Args:
        table: its scores.
        columns: of the failures.

    Raises:
        DataError: their table is missing, damaged, or of other scenarios.
    """
    path = table.path.parent / DRIVE_FAILURES
    if not path.is_file():
        raise DataError(f"{shown(path)}: no such file", "name the output folder of `reworld drive`")
    rows = open_table(path).read(columns)
    if not rows["token"].isin(table.frame.index).all():
        raise DataError(f"{shown(path)}: of other scenarios than the scores", "drive them again")
    place = pd.Series(range(len(rows)), index=rows.index)
    return (
        rows.assign(place=place)
        .sort_values(["score", "token", "place"], ignore_index=True)
        .drop(columns="place")
    )
