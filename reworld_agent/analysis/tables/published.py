"""Rows of the paper's Tables 1 and 3, and whether a run may stand beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from reworld_agent.analysis.tables.score_tables import ScoreTable
from reworld_agent.pdm.metrics import SCORE, metrics

_FILE = Path(__file__).with_name("published.yaml")
_SPLITS = ("navtest", "test")  # NAVSIM's name, and the folder its logs lie in


@dataclass(frozen=True)
class Published:
    """A table of the paper.

    Attributes:
        caption: what it shows.
        dataset, protocol, scenes: what its numbers are of; "" and 0 where it does not say.
        metrics: names of the columns.
        rows: method, kind, lidar, values (one for each metric, None where not printed).
    """

    caption: str
    dataset: str
    metrics: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    protocol: str = ""
    scenes: int = 0


@lru_cache(maxsize=1)
def published() -> dict[str, Published]:
    """The tables by name: `table_1` (FVD), `table_3` (PDMS)."""
    plain: Any = OmegaConf.to_container(OmegaConf.load(_FILE))
    return {
        name: Published(
            **{**table, "metrics": tuple(table["metrics"]), "rows": tuple(table["rows"])}
        )
        for name, table in plain.items()
    }


def unlike(table: ScoreTable, other: Published) -> list[str]:
    """Why a run's means may not be compared with a published table; empty where they may."""
    reasons = []
    if table.protocol.name != other.protocol:
        wanted = other.protocol or "no score of a planner"
        reasons.append(f"this run is scored by {table.protocol.name}, the rows by {wanted}")
    split = str(table.provenance.get("split") or "unknown")
    if table.provenance and split not in _SPLITS:
        reasons.append(f"this run is of the split {split}, the rows are of {other.dataset}")
    if other.scenes and len(table.frame) != other.scenes:
        reasons.append(
            f"this run has {len(table.frame):,} scenes, {other.dataset} has {other.scenes:,}"
        )
    unscored = int(table.frame[SCORE].isna().sum())
    if unscored:
        reasons.append(f"{unscored:,} scenes have no score")
    return reasons


def own_row(table: ScoreTable, other: Published) -> list[float | None]:
    """The run's means in percent, in the columns of a published table of scores."""
    columns = {**{row.short: row.name for row in metrics()}, table.protocol.total: SCORE}
    means = table.frame.mean()
    names = [columns[metric] for metric in other.metrics]
    return [100.0 * float(means[name]) if name in means else None for name in names]
