"""Signs of a broken evaluation in a table of scores, before anybody believes its mean.

Nothing here proves an error; each sign is one that no working evaluation of a real split shows,
or that changes what the mean means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reworld_agent.analysis.tables.score_tables import ScoreTable
from reworld_agent.pdm.metrics import SCORE, Metric, metric, short_name

ERROR, WARNING = "error", "warning"
ENOUGH = 10  # scenes; fewer can be constant by chance
TOLERANCE = 1e-6
_FOOTER_TOLERANCE = 1e-3
_WORTH_A_WORD = 0.01  # share of scenes


@dataclass(frozen=True)
class Notice:
    """One sign: `level` is `error` (do not believe the table) or `warning`; `text` says what."""

    level: str
    text: str


def notices(table: ScoreTable) -> list[Notice]:
    """All signs in one table, errors first."""
    frame = table.frame
    found = [
        *_without_score(frame),
        *_out_of_range(frame),
        *_no_comfort(table, frame),
        *_constant(frame),
        *_contradiction(table, frame),
        *_footer(table, frame),
    ]
    return sorted(found, key=lambda notice: notice.level != ERROR)


def _rows(frame: pd.DataFrame) -> list[Metric]:
    """Rows of the metrics, and of the score, that a table has."""
    return [metric(str(name)) for name in frame]


def _without_score(frame: pd.DataFrame) -> Iterator[Notice]:
    missing = int(frame[SCORE].isna().sum())
    if missing:
        share = f"{missing} of {len(frame)} scenes have no score"
        yield Notice(ERROR if missing == len(frame) else WARNING, share)
    for row in _rows(frame):
        holes = int((frame[row.name].isna() & frame[SCORE].notna()).sum())
        if holes and not row.two_frames:
            yield Notice(ERROR, f"{row.short} is NaN in {holes} scenes that have a score")


def _out_of_range(frame: pd.DataFrame) -> Iterator[Notice]:
    for row in _rows(frame):
        values = frame[row.name].dropna().to_numpy()
        if row.allowed:
            off = np.abs(values[:, None] - np.array(row.allowed)).min(axis=1) > TOLERANCE
            expected = " or ".join(f"{value:g}" for value in row.allowed)
        else:
            off = (values < row.low - TOLERANCE) | (values > row.high + TOLERANCE)
            expected = f"between {row.low:g} and {row.high:g}"
        if off.any():
            example = f"{values[off][0]:g}"
            text = f"{row.short} is not {expected} in {off.sum()} scenes (for example {example})"
            if row.measure is not None:
                text += "; low= and high= of the metric say what it may be"
            yield Notice(ERROR, text)


def _no_comfort(table: ScoreTable, frame: pd.DataFrame) -> Iterator[Notice]:
    """The sign of poses on another clock or frame than the scorer's: every drive is shaken."""
    for row in _rows(frame):
        values = frame[row.name]
        mean = float(values.mean())
        if not row.least_mean or values.count() < ENOUGH or mean >= row.least_mean:
            continue
        zeros = int((values == 0.0).sum())
        is_human = "human" in table.label.lower()
        who = "the logged human drive" if is_human else "any planner, even one that stands still"
        yield Notice(
            ERROR,
            f"{row.short} is {mean:.4f}: 0 in {zeros} of {values.count()} scenes. That is "
            f"not how {who} scores; the evaluation is broken (drives with wrong time steps, frame "
            "or history reach the scorer). Every score in the table is too low",
        )


def _constant(frame: pd.DataFrame) -> Iterator[Notice]:
    for row in _rows(frame):
        values = frame[row.name].dropna()
        if len(values) < ENOUGH or row.least_mean:  # `_no_comfort` looks at those
            continue
        value = float(values.iloc[0])
        if (values != value).any():
            continue
        if value == 0.0 and row.measure is None:
            yield Notice(ERROR, f"{row.short} is 0 in all {len(values)} scenes")
        elif not row.allowed:
            text = f"{row.short} is {value:g} in all {len(values)} scenes: it tells nothing apart"
            yield Notice(WARNING, text)


def _contradiction(table: ScoreTable, frame: pd.DataFrame) -> Iterator[Notice]:
    if any(name not in frame for name in table.protocol.required):
        absent = [short_name(n) for n in table.protocol.required if n not in frame]
        yield Notice(WARNING, f"no column {', '.join(absent)}: the score cannot be checked")
        return
    computed = table.protocol.score({name: frame[name].to_numpy() for name in map(str, frame)})
    off = np.abs(computed - frame[SCORE].to_numpy()) > TOLERANCE
    if off.any():
        share = off.mean()
        level = ERROR if share > _WORTH_A_WORD else WARNING
        text = (
            f"in {off.sum()} of {len(frame)} scenes the score is not what {table.protocol.title} "
            f"makes of the metrics (first {frame.index[off][0]}): another formula or version"
        )
        yield Notice(level, text)


def _footer(table: ScoreTable, frame: pd.DataFrame) -> Iterator[Notice]:
    for name, value in table.footer.items():
        mean = float(frame[name].mean())
        if table.stages is None and abs(value - mean) > _FOOTER_TOLERANCE:
            text = (
                f"the summary row gives {short_name(name)} {value:.4f}, the mean of the rows is "
                f"{mean:.4f}: rows were lost, added or left out of it"
            )
            yield Notice(WARNING, text)
