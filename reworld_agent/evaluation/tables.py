"""The score table of one agent, and the summary that is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import read_csv, write_with_twin
from reworld_agent.core.vocabulary import SCORES_FILE
from reworld_agent.pdm.metrics import (
    BOTH,
    PROTOCOL_NAMES,
    SCORE,
    columns,
    metric,
    score_columns,
)
from reworld_agent.pdm.metrics import protocol as rules_of

AVERAGE = "average"


@dataclass(frozen=True)
class AgentSummary:
    """One line of the printed table.

    Attributes:
        name: of the agent.
        average: the table's last row.
        valid, total: scenes with a score, scenes asked for.
        fallbacks: scenes that the agent planned by its fallback.
        modes: of an agent whose plans have modes, see `evaluation.modes.means`.
    """

    name: str
    average: dict[str, float]
    valid: int
    total: int
    fallbacks: int = 0
    modes: Mapping[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Every scene has a score."""
        return self.valid == self.total


def score_table(tokens: Sequence[str], rows: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """NAVSIM's result table: one row a scene, then `average`.

    Where a scene has no score the average is NaN: a mean over the rest would flatter.

    Args:
        tokens: every scene that was asked for.
        rows: of `score_trajectories` for one agent (token, reason, metrics).
        protocol: names the columns; `both` has those of each protocol, `<protocol>_<metric>`.

    Returns:
        Columns token, valid, then the protocol's metrics; metrics NaN where not valid.
    """
    metrics = list(columns(protocol))
    scored = rows[rows["reason"] == ""].drop_duplicates("token").set_index("token")
    table = scored.reindex(pd.Index(tokens, name="token"))[metrics].astype(np.float64)
    valid = table[list(score_columns(protocol))].notna().all(axis=1)
    table.insert(0, "valid", valid)
    average = table[metrics].mean() if valid.all() else pd.Series(np.nan, index=metrics)
    last = pd.DataFrame([{"token": AVERAGE, "valid": bool(valid.all()), **average.to_dict()}])
    return pd.concat([table.reset_index(), last], ignore_index=True)


def write_score_table(
    folder: Path, table: pd.DataFrame, provenance: dict[str, Any]
) -> tuple[Path, Path]:
    """Write `pdm_scores.parquet`, provenance inside, and its csv twin; raises DataError."""
    parquet, csv = folder / SCORES_FILE, folder / "pdm_scores.csv"
    write_with_twin(parquet, table, provenance)
    return parquet, csv


def average_of(csv: Path) -> pd.Series:
    """The last row of a table's csv twin: the metrics; DataError where it has none."""
    table = read_csv(csv, "score again with the same output_dir=", ("token",))
    if table.empty or str(table["token"].iloc[-1]) != AVERAGE:
        raise DataError(f"{csv}: its last row is not {AVERAGE}", "score again")
    return table.iloc[-1].drop("token")


def summarise(name: str, table: pd.DataFrame, fallbacks: int = 0) -> AgentSummary:
    """The line of one agent from its score table."""
    scenes, average = table.iloc[:-1], table.iloc[-1]
    metrics = [column for column in table.columns if column not in ("token", "valid")]
    values = {column: float(average[column]) for column in metrics}
    return AgentSummary(name, values, int(scenes["valid"].sum()), len(scenes), fallbacks)


def format_summary(summaries: Sequence[AgentSummary], protocol: str, data_split: str) -> str:
    """The printed table: fractions to four digits, one line an agent, then the protocol.

    Of a run of `both` protocols there are two tables, one below the other.
    """
    if protocol == BOTH:
        return "\n\n".join(
            format_summary([_of_protocol(item, name) for item in summaries], name, data_split)
            for name in PROTOCOL_NAMES
        )
    width = max(len("agent"), *(len(summary.name) for summary in summaries))
    rules = rules_of(protocol)
    heads = {name: metric(name).heading or metric(name).short for name in rules.printed}
    heads |= {SCORE: rules.total, **{name: metric(name).short for name in rules.added}}
    titles = "".join(f"{head:>8}" for head in heads.values())
    best = {name: "" for item in summaries for name in item.modes}
    titles += "".join(f"{name.removesuffix(f'_{SCORE}'):>8}" for name in best)
    lines = [f"{'agent':<{width}}{titles}  scenes"]
    for summary in summaries:
        cells = "".join(f"{summary.average[column]:8.4f}" for column in heads)
        cells += "".join(
            f"{summary.modes[name]:8.4f}" if name in summary.modes else f"{'':>8}" for name in best
        )
        count = str(summary.total)
        if not summary.complete:
            count = f"INCOMPLETE {summary.valid}/{summary.total}"
        if summary.fallbacks:
            count += f" ({summary.fallbacks} planned by the agent's fallback)"
        lines.append(f"{summary.name:<{width}}{cells}  {count}")
    lines.append(f"protocol {protocol} ({rules.conditions}), split {data_split}")
    return "\n".join(lines)


def _of_protocol(summary: AgentSummary, protocol: str) -> AgentSummary:
    """One protocol's part of the line of an agent scored by both."""
    prefix = f"{protocol}_"
    average = {
        name.removeprefix(prefix): value
        for name, value in summary.average.items()
        if name.startswith(prefix)
    }
    modes = {
        name.replace(prefix, ""): value for name, value in summary.modes.items() if prefix in name
    }
    return replace(summary, average=average, modes=modes)
