"""Is a run whole? What was asked for, planned, scored, and by whom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reworld_agent.analysis.tables.raw_tables import open_table
from reworld_agent.analysis.tables.score_tables import ScoreTable
from reworld_agent.core.errors import DataError
from reworld_agent.pdm.metrics import SCORE

_SHOWN = 5


@dataclass(frozen=True)
class Check:
    """One check: whether it holds, and what was found."""

    good: bool
    text: str


def checks(table: ScoreTable) -> list[Check]:
    """All checks of a run's folder; of a lone table those that it allows."""
    frame, folder = table.frame, table.path.parent
    found = [_scored(frame, folder)]
    expected = table.provenance.get("tokens")
    if expected is not None:
        text = f"{len(frame):,} rows, {int(expected):,} scenes were asked for"
        found.append(Check(len(frame) == int(expected), text))
    trajectories = _read(folder / "trajectories.parquet", ["token"])
    if trajectories is not None:
        missing = frame.index[frame[SCORE].notna()].difference(pd.Index(trajectories["token"]))
        text = "every scored scene has its trajectory"
        if len(missing):
            text = f"{len(missing):,} scored scenes have no trajectory ({_some(missing)})"
        found.append(Check(not len(missing), text))
    record = _read(folder / "inference.parquet", ["token", "status"])
    if record is not None:
        fallback = record.loc[record["status"] == "fallback", "token"]
        text = "the agent planned every scene itself"
        if len(fallback):
            text = (
                f"{len(fallback):,} scenes were planned by the agent's fallback ({_some(fallback)})"
            )
        found.append(Check(not len(fallback), text))
    if not table.provenance:
        found.append(Check(False, "the table bears no provenance: nobody can say what made it"))
    return found


def _scored(frame: pd.DataFrame, folder: Path) -> Check:
    unscored = frame.index[frame[SCORE].isna()]
    if not len(unscored):
        return Check(True, f"all {len(frame):,} scenes have a score")
    where = " (reasons: failures.csv)" if (folder / "failures.csv").is_file() else ""
    return Check(
        False,
        f"{len(unscored):,} of {len(frame):,} scenes have no score{where}: {_some(unscored)}",
    )


def _read(path: Path, columns: list[str]) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        table = open_table(path)
        return table.read(columns) if set(columns) <= set(table.columns) else None
    except DataError:
        return None


def _some(tokens: pd.Index | pd.Series) -> str:
    more = " …" if len(tokens) > _SHOWN else ""
    return ", ".join(str(token) for token in list(tokens)[:_SHOWN]) + more
