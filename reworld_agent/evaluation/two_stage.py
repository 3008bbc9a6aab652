"""EPDMS of two stages from scored plans: NAVSIM v2.2's table, without its script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.records import read_yaml
from reworld_agent.core.vocabulary import GROUP_SCORES
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.golden.two_stage import require_two_stage
from reworld_agent.pdm.metrics import SCORE, short_name
from reworld_agent.pdm.metrics.table import EPDMS_V2
from reworld_agent.pdm.poses import INTERVAL, intervals_of
from reworld_agent.pdm.protocols.aggregate import (
    COLUMNS,
    Group,
    TwoStages,
    plan_geometry,
    read_groups,
    two_stages,
)

SUMMARIES = {
    "stage_one": "extended_pdm_score_stage_one",
    "stage_two": "extended_pdm_score_stage_two",
    "combined": "extended_pdm_score_combined",
}
_METRICS = EPDMS_V2.official


@dataclass(frozen=True)
class Staged:
    """The plans of both stages.

    Attributes:
        table: NAVSIM v2.2's: token, valid, each metric once for either stage, score; the last
            three rows are `SUMMARIES`, NaN where a frame has no score.
        result: what they were made from; None where a frame has no score.
        frames: how many frames the mapping names.
    """

    table: pd.DataFrame
    result: TwoStages | None
    frames: int

    @property
    def provenance(self) -> dict[str, Any]:
        """For the table's metadata: the score of each group, by its present frame.

        NAVSIM's combined score is their mean; its table has no room for them.
        """
        if self.result is None:
            return {}
        groups = self.result.groups
        return {GROUP_SCORES: dict(zip(groups["now"], groups[SCORE].tolist(), strict=True))}

    @property
    def score(self) -> float:
        """EPDMS of both stages, NaN where a frame has no score."""
        return float(self.table[SCORE].iloc[-1])


def read_mapping(path: Path) -> list[Group]:
    """Groups of a split's yaml (`reactive_all_mapping`), or of a JSON or yaml list alone.

    Raises:
        DataError: the file cannot be read or holds no mapping.
    """
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable mapping ({error})", "set mapping=") from error
    found = content.get("reactive_all_mapping") if isinstance(content, dict) else content
    if not isinstance(found, list):
        raise DataError(
            f"{path}: no list reactive_all_mapping",
            "give the yaml of a two-stage split, for example navhard_two_stage.yaml",
        )
    return read_groups(found)


def groups_of(groups: Sequence[Group], tokens: Iterable[str]) -> list[Group]:
    """The groups whose frames of stage one are among the tokens; raises ConfigError for none."""
    there = set(tokens)
    found = [group for group in groups if group.now in there and group.previous in there]
    if not found:
        raise ConfigError(
            f"none of the {len(groups)} groups of the mapping is in the split",
            "give the split's own mapping",
        )
    return found


def stage_tokens(groups: Iterable[Group]) -> tuple[list[str], list[str]]:
    """Tokens of stage one and of stage two."""
    first: list[str] = []
    second: list[str] = []
    for group in groups:
        first += [group.now, group.previous]
        second += [token for pair in group.pairs for token in pair]
    return first, second


def staged(
    rows: pd.DataFrame, trajectories: pd.DataFrame, caches: SceneCaches, groups: Sequence[Group]
) -> Staged:
    """Put the scores of one planner's plans together.

    Args:
        rows: of `score_trajectories`, one for each frame of both stages (token, reason, metrics).
        trajectories: token, poses and, where there is one, interval_s of the same plans.
        caches: the scenes.
        groups: of the split.

    Raises:
        ConfigError: a frame has more than one plan.
    """
    require_two_stage()
    first, second = stage_tokens(groups)
    wanted = [*first, *second]
    mine = rows[rows["token"].isin(wanted)]
    twice = mine.loc[mine["token"].duplicated(), "token"]
    if len(twice):
        raise ConfigError(
            f"two stages need one plan a frame; {len(twice)} have more, first {twice.iloc[0]}",
            "score one candidate of each token",
        )
    good = mine[mine["reason"] == ""].set_index("token")
    if len(good) < len(wanted):
        return Staged(_table(good, first, second, None), None, len(wanted))
    intervals = intervals_of(trajectories.get(INTERVAL), len(trajectories))
    plans = zip(trajectories["poses"], intervals, strict=True)
    by_token = dict(zip(trajectories["token"], plans, strict=True))
    geometry = pd.DataFrame([_geometry(caches.get(token), *by_token[token]) for token in wanted])
    result = two_stages(good.reset_index().merge(geometry, on="token"), list(groups))
    frames = result.frames.set_index("token")
    return Staged(_table(frames, first, second, result), result, len(wanted))


def _geometry(cache: Any, flat: Any, interval_s: float | None) -> dict[str, Any]:
    poses: NDArray[np.float64] = np.asarray(flat, np.float64).reshape(1, -1, 3)
    return plan_geometry(cache, poses, interval_s)


def _table(
    frames: pd.DataFrame, first: list[str], second: list[str], result: TwoStages | None
) -> pd.DataFrame:
    """NAVSIM v2.2's table; `frames` by token."""
    parts = []
    for tokens, stage in ((first, "stage_one"), (second, "stage_two")):
        part = frames.reindex(pd.Index(tokens, name="token")).reindex(columns=list(COLUMNS))
        valid = part[SCORE].notna()
        if result is None:  # without EC a score of v2.2 does not exist
            part[SCORE] = np.nan
        part = part.rename(columns={name: f"{name}_{stage}" for name in _METRICS})
        part.insert(0, "valid", valid)
        parts.append(part.reset_index())
    columns = [f"{name}_{stage}" for stage in ("stage_one", "stage_two") for name in _METRICS]
    rows = pd.concat([*parts, _summaries(result)], ignore_index=True)
    return rows.reindex(columns=["token", "valid", *columns, SCORE])


def _summaries(result: TwoStages | None) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for stage, token in SUMMARIES.items():
        row: dict[str, Any] = {"token": token, "valid": result is not None, SCORE: np.nan}
        if result is not None:
            shown = ("stage_one", "stage_two") if stage == "combined" else (stage,)
            row[SCORE] = _values(result, stage)[SCORE]
            for part in shown:
                values = _values(result, part)
                row |= {f"{name}_{part}": values[name] for name in _METRICS}
        rows.append(row)
    return pd.DataFrame(rows)


def _values(result: TwoStages, stage: str) -> dict[str, float]:
    numbers = result.summary.loc[stage, list(COLUMNS)].to_numpy(np.float64)
    return dict(zip(COLUMNS, numbers.tolist(), strict=True))


def format_staged(name: str, found: Staged, data_split: str) -> str:
    """What is printed: the three summary rows."""
    short = {**{name: short_name(name) for name in _METRICS}, SCORE: EPDMS_V2.total}
    width = max(len(name), len("stage_one"))
    lines = [f"{name:<{width}}" + "".join(f"{short[column]:>8}" for column in COLUMNS)]
    for stage in SUMMARIES:
        values = dict.fromkeys(COLUMNS, float("nan"))
        if found.result is not None:
            values = _values(found.result, stage)
        if stage == "combined":  # of both stages together NAVSIM has the score alone
            values = {SCORE: values[SCORE]}
        cells = "".join(
            f"{values[column]:8.4f}" if column in values else " " * 8 for column in COLUMNS
        )
        lines.append(f"{stage:<{width}}{cells}")
    lines.append(
        f"protocol {EPDMS_V2.name}, two stages of {found.frames} frames, split {data_split}"
    )
    return "\n".join(lines)
