"""The tables of a run of drives: scores, rollouts, failures, timings; and their summary."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from reworld_agent.analysis.comparison.hierarchical import Hierarchical, hierarchical_interval
from reworld_agent.analysis.explanation.explain import SCHEMA
from reworld_agent.analysis.tables.files import DRIVE_FAILURES, DRIVE_SCORES
from reworld_agent.closed_loop.driving.record import more_columns
from reworld_agent.closed_loop.replay.scenarios import LOGGED
from reworld_agent.closed_loop.replay.stage_scenarios import STAGED
from reworld_agent.closed_loop.replay.verdict import LEFT_LOG
from reworld_agent.core.result_tables import write_csv, write_parquet, write_with_twin
from reworld_agent.pdm.metrics import SCORE, metric
from reworld_agent.pdm.metrics.table import DRIVE

AVERAGE = "average"
ROLLOUTS, TIMINGS = "rollouts.parquet", "timings.csv"
_NAMES = ("scenario", "log_name", "town", "kind", "difficulty", "valid")


@dataclass(frozen=True)
class Driving:
    """What a run of drives gave.

    Attributes:
        folder: of its tables.
        table: `drive_scores`: a row a scenario, the last one `average`.
        interval: of the mean score over towns and drives, 95 %.
        timings: seconds of work by part, of the scenarios driven by this or an earlier start.
    """

    folder: Path
    table: pd.DataFrame
    interval: Hierarchical | None
    timings: pd.DataFrame
    origin: dict[str, Any]

    @property
    def rows(self) -> pd.DataFrame:
        """The scenarios, without the average."""
        return self.table.iloc[:-1]

    @property
    def logged(self) -> bool:
        """Whether these are drives over logs."""
        return LEFT_LOG in self.table

    def text(self) -> str:
        """The printed summary."""
        average, rows = self.table.iloc[-1], self.rows
        heads = {name: metric(name).heading or metric(name).short for name in DRIVE.printed}
        heads[SCORE] = DRIVE.total
        name = str(self.origin["agent"])
        width = max(len("agent"), len(name))
        titles = "".join(f"{head:>8}" for head in heads.values())
        cells = "".join(f"{average[column]:8.4f}" for column in heads)
        lines = [f"{'agent':<{width}}{titles}{'AlpaSim':>9}  scenarios"]
        lines.append(
            f"{name:<{width}}{cells}{average['alpasim_score']:9.4f}  {int(rows['valid'].sum())}"
        )
        if self.interval is not None and np.isfinite(self.interval.low):
            low, high = self.interval.low, self.interval.high
            over = "logs in these cities" if self.logged else "drives in these towns"
            lines.append(f"95 % interval of {DRIVE.total} over {over}: {low:.4f} to {high:.4f}")
        if self.logged:
            left = int(rows[LEFT_LOG].sum())
            lines.append(
                f"{left} of {len(rows)} left the log by more than {self.origin['near_m']:g} m: "
                "what is seen from there on is not true (left_log, within_log_s)"
            )
        kinds = rows[rows["valid"]].groupby("kind")[SCORE].agg(["mean", "count"])
        if len(kinds) > 1:
            pairs = zip(kinds.index, kinds["mean"], kinds["count"], strict=True)
            each = [f"{kind} {mean:.3f} ({count})" for kind, mean, count in pairs]
            lines.append(f"{DRIVE.total} by kind: {', '.join(each)}")
        lines.append(
            f"{DRIVE.title} ({DRIVE.conditions}), split {self.origin['split']}, "
            f"{self.origin['seconds']:g} s, {self.origin['replan_hz']} plans a second"
        )
        if len(self.timings):
            spent = self.timings.drop(columns="scenario").sum()
            parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in spent.items())
            lines.append(f"seconds of one core: {parts}")
        return "\n".join(lines)

    def stopped(self) -> pd.DataFrame:
        """Scenarios with a reason: without scores, or in which the agent was stopped."""
        found: pd.DataFrame = self.rows[self.rows["reason"] != ""]
        return found


def write_tables(folder: Path, rows: pd.DataFrame, origin: dict[str, Any]) -> Driving:
    """Write all tables of a run.

    Args:
        folder: of the run.
        rows: of `record.row_of` and `record.unusable`, in the scenarios' order.
        origin: provenance.

    Raises:
        DataError: one cannot be written.
    """
    table, interval = score_table(rows)
    more = {} if interval is None else {"interval": [interval.low, interval.high]}
    write_with_twin(folder / DRIVE_SCORES, table, {**origin, **more})
    lost = [row for text in rows["failures"] for row in json.loads(text)]
    failed = pa.Table.from_pylist(lost, schema=SCHEMA).to_pandas()
    write_parquet(folder / DRIVE_FAILURES, failed, origin)
    write_parquet(folder / ROLLOUTS, _rollouts(rows), origin)
    pairs = zip(rows["scenario"], rows["timings"], strict=True)
    spent = [{"scenario": name, **json.loads(own)} for name, own in pairs]
    timings = pd.DataFrame(spent)
    write_csv(folder / TIMINGS, timings)
    return Driving(folder, table, interval, timings, origin)


def score_table(rows: pd.DataFrame) -> tuple[pd.DataFrame, Hierarchical | None]:
    """The table of scores, its average last, and the interval of the mean score.

    Scenarios that cannot be made have no scores, whoever drives, and are not averaged. Pieces of
    one log are taken together in the interval.
    """
    kind = str(rows["kind"].iloc[0])
    logged = kind in (LOGGED, STAGED)
    numbers = (*DRIVE.official, SCORE, *more_columns(kind))
    table = rows[[*_NAMES, *numbers, "reason"]].copy()
    good = table[table["valid"]]
    average = {name: float(good[name].mean()) for name in numbers}
    last = {**dict.fromkeys(_NAMES, ""), "scenario": AVERAGE, "difficulty": 0, **average}
    last |= {"valid": bool(len(good)), "reason": ""}
    table = pd.concat([table, pd.DataFrame([last])], ignore_index=True)
    if good.empty:
        return table, None
    values = good[SCORE].to_numpy(np.float64)
    drives = [str(name) for name in good["log_name" if logged else "scenario"]]
    return table, hierarchical_interval(values[None], drives, [str(town) for town in good["town"]])


def _rollouts(rows: pd.DataFrame) -> pd.DataFrame:
    """States [T, 11], flat, at 10 Hz; plans, and the ticks at which they were made; events."""
    columns = ["scenario", "states", "plan_ticks", "plans", "events"]
    return rows[columns].copy()
