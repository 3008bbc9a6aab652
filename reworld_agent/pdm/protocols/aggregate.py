"""From EPDMS of single frames to the numbers of NAVSIM v2.2: one stage and two stages.

Two stages (pseudo-simulation, Cao et al. 2025, arXiv 2506.04218, section 3): every original frame
comes with the frame 0.5 s before it and with pairs of synthetic frames around where the first
stage could end. With d_i [m] between the end of the plan of stage one and the start of the
synthetic frame i, w_i = exp(−d_i² / 2σ²) / Σ exp(−d_j² / 2σ²), σ² = 0.1 m². A group's value is
stage one · Σ w_i stage two_i, for every metric and for the score alike; the groups of the frame
and of the one before it are averaged, then all groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.core.records import as_shown
from reworld_agent.pdm.metrics.definition.protocol import SCORE
from reworld_agent.pdm.metrics.table import EC, EPDMS_V2
from reworld_agent.pdm.metrics.two_frame_comfort import MAX_INTERVAL_S, two_frame_comfort
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.rollout import rollout

METRICS = EPDMS_V2.of_one_frame
COLUMNS = (*EPDMS_V2.official, SCORE)
SIGMA_SQUARED = 0.1  # m²
_POINTS = ("endpoint_x", "endpoint_y", "start_point_x", "start_point_y")
_Plans = dict[str, tuple[float, NDArray[np.float64]]]  # of each token: start [s], states [41, 11]
_HINT = "make the table of plan_rows.plan_row for every frame of the split"


@dataclass(frozen=True)
class Group:
    """A frame of stage one, the one 0.5 s before it, and the synthetic frames of both.

    Attributes:
        now, previous: tokens of the original frames.
        pairs: (now, previous) tokens of the synthetic frames.
    """

    now: str
    previous: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TwoStages:
    """EPDMS of two stages.

    Attributes:
        frames: one row a frame: token, stage (1 or 2), group, weight, and `COLUMNS`; the group is
            the token of its original frame.
        groups: one row a group: now, previous, and for each of `COLUMNS` its value.
        summary: rows stage_one, stage_two (means over the halves of all groups) and combined.
    """

    frames: pd.DataFrame
    groups: pd.DataFrame
    summary: pd.DataFrame


def read_groups(mapping: Iterable[Sequence[Any]]) -> list[Group]:
    """Groups from a split's `reactive_all_mapping`: [[now, previous, [[now, previous], …]], …].

    Raises:
        DataError: an entry has another shape, has no synthetic frames, or names a token twice.
    """
    groups = []
    for entry in mapping:
        try:
            now, previous, pairs = entry
            group = Group(str(now), str(previous), tuple((str(a), str(b)) for a, b in pairs))
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{as_shown(entry)} is not [now, previous, [[now, previous], ...]]",
                "give the list reactive_all_mapping of the split's yaml",
            ) from error
        if not group.pairs:
            raise DataError(f"frame {now} has no synthetic frames", "leave it out of the mapping")
        groups.append(group)
    tokens = pd.Series([token for group in groups for token in _tokens(group)], dtype=object)
    if tokens.duplicated().any():
        raise DataError(
            f"token {tokens[tokens.duplicated()].iloc[0]} is twice in the mapping",
            "a frame has one weight and one EC: name it in one group only",
        )
    return groups


def plan_geometry(
    cache: SceneCache, poses: NDArray[np.float64], interval_s: float | None = None
) -> dict[str, Any]:
    """What the aggregation needs of a plan [1, L, 3] (ego frame) besides its metrics.

    See `plan_rows.plan_row`, of whose keys these are all but the metrics. The end point is the
    plan's last pose, whenever that is, as in the devkit.
    """
    x, y, heading = cache.ego_state[:3].tolist()
    ahead, left = poses[0, -1, :2].tolist()
    cos, sin = np.cos(heading), np.sin(heading)
    return {
        "token": cache.token,
        "log_name": cache.log_name,
        "start_time_s": cache.time_us * 1e-6,
        "endpoint_x": x + ahead * cos - left * sin,
        "endpoint_y": y + ahead * sin + left * cos,
        "start_point_x": x,
        "start_point_y": y,
        "states": rollout(cache, poses, interval_s)[0],
    }


def one_stage(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """EPDMS of original frames with EC from each frame and the one before it in its log.

    Args:
        rows: one for each frame, as `plan_rows.plan_row` gives them.

    Returns:
        (token and `COLUMNS` in the order of `rows`, their means). A frame without another one at
        most 0.55 s before it has NaN in EC, and its score is without EC.

    Raises:
        DataError: columns or numbers are missing, or a token is there twice.
    """
    table = _checked(rows, ("log_name", "start_time_s", "states"))
    plans, comfort = _plans(table), pd.Series(np.nan, index=table.index)
    for now, before in _consecutive(table):
        comfort[now] = _comfort_between(plans, now, before)
    frames = _with_scores(table, comfort)
    return frames.reset_index(), frames.mean()


def two_stages(rows: pd.DataFrame, groups: Sequence[Group]) -> TwoStages:
    """EPDMS of two stages.

    Args:
        rows: one for each original and synthetic frame of the groups, as
            `plan_rows.plan_row` gives them.
        groups: of the split, from `read_groups`; those of which no original frame is in `rows`
            are left out.

    Raises:
        DataError: columns, numbers or frames are missing, a token is there twice, the frames of
            a pair are not consecutive, or no group is left.
    """
    table = _checked(rows, ("start_time_s", "states", *_POINTS))
    known = [group for group in groups if group.now in table.index or group.previous in table.index]
    if not known:
        raise DataError("no frame of the mapping is in the table", "give the split's own mapping")
    _check_present(table, known)
    plans, comfort = _plans(table), pd.Series(np.nan, index=table.index)
    place: dict[str, tuple[int, str, float]] = {}
    for group in known:
        for now, before in ((group.now, group.previous), *group.pairs):
            comfort[[now, before]] = _comfort_between(plans, now, before)
        for first, others in _halves(group):
            place[first] = 1, group.now, 1.0
            weights = closeness(table.loc[[first]], table.loc[others])
            for token, weight in zip(others, weights.tolist(), strict=True):
                place[token] = 2, group.now, weight
    used = pd.DataFrame.from_dict(place, orient="index", columns=["stage", "group", "weight"])
    used.index.name = "token"
    frames = used.join(_with_scores(table.loc[used.index], comfort[used.index]))
    return TwoStages(frames.reset_index(), *_summed(frames, known))


def closeness(first: pd.DataFrame, others: pd.DataFrame) -> NDArray[np.float64]:
    """Weights [K], sum 1, of synthetic frames by how near they start to the end of a plan.

    Args:
        first: the one row of the original frame (endpoint_x, endpoint_y [m]).
        others: rows of the synthetic frames (start_point_x, start_point_y [m]).

    Returns:
        Gaussian weights; equal ones where the plan ends so far from all that their sum is about 0.
    """
    end = first[["endpoint_x", "endpoint_y"]].to_numpy(np.float64)
    away = end - others[["start_point_x", "start_point_y"]].to_numpy(np.float64)
    kernel = np.exp(-(away**2).sum(axis=1) / (2.0 * SIGMA_SQUARED))
    total = kernel.sum()
    if np.isclose(total, 0.0):
        return np.full(len(kernel), 1.0 / len(kernel))
    return np.asarray(kernel / total, dtype=np.float64)


def _summed(frames: pd.DataFrame, groups: list[Group]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values of each group, and the summary over all."""
    columns = list(COLUMNS)
    stage_one, stage_two, combined = [], [], []
    for group in groups:
        halves = []
        for first, others in _halves(group):
            one, weights = frames.loc[first, columns], frames.loc[others, "weight"].to_numpy()
            two = (frames.loc[others, columns].to_numpy() * weights[:, None]).sum(axis=0)
            stage_one.append(one.to_numpy(np.float64))
            stage_two.append(two / weights.sum())
            halves.append(stage_one[-1] * stage_two[-1])
        combined.append((halves[0] + halves[1]) / 2.0)
    names = {
        "now": [group.now for group in groups],
        "previous": [group.previous for group in groups],
    }
    values = pd.DataFrame(np.stack(combined), columns=columns)
    parts = {"stage_one": stage_one, "stage_two": stage_two, "combined": combined}
    means = {name: np.stack(part).mean(axis=0) for name, part in parts.items()}
    summary = pd.DataFrame.from_dict(means, orient="index", columns=columns)
    return pd.concat([pd.DataFrame(names), values], axis=1), summary


def _halves(group: Group) -> Iterator[tuple[str, list[str]]]:
    """An original frame and its synthetic frames, for now and for 0.5 s before."""
    yield group.now, [now for now, _ in group.pairs]
    yield group.previous, [previous for _, previous in group.pairs]


def _tokens(group: Group) -> list[str]:
    return [token for first, others in _halves(group) for token in (first, *others)]


def _with_scores(table: pd.DataFrame, comfort: pd.Series) -> pd.DataFrame:
    """`COLUMNS` of each frame; the score without EC where that is NaN."""
    metrics = {name: table[name].to_numpy(np.float64) for name in METRICS}
    metrics[EC.name] = comfort.to_numpy(np.float64)
    return pd.DataFrame({**metrics, SCORE: EPDMS_V2.score(metrics)}, table.index)


def _consecutive(table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """(frame, the one before it) of the same log and at most 0.55 s apart."""
    for _, log in table.sort_values("start_time_s").groupby("log_name", sort=False):
        tokens, times = log.index.tolist(), log["start_time_s"].tolist()
        for i in range(1, len(tokens)):
            if times[i] - times[i - 1] < MAX_INTERVAL_S:
                yield tokens[i], tokens[i - 1]


def _plans(table: pd.DataFrame) -> _Plans:
    times, states = table["start_time_s"].astype(float), table["states"]
    return {token: (times[token], np.asarray(states[token])) for token in table.index}


def _comfort_between(plans: _Plans, now: str, before: str) -> float:
    interval_s = plans[now][0] - plans[before][0]
    if not 0.0 < interval_s < MAX_INTERVAL_S:
        raise DataError(
            f"frames {before} and {now} are {interval_s:.2f} s apart",
            "EC compares frames that are less than 0.55 s apart",
        )
    both = two_frame_comfort(plans[now][1][None], plans[before][1][None], interval_s)
    return float(both[0])


def _check_present(table: pd.DataFrame, groups: list[Group]) -> None:
    missing = [t for group in groups for t in _tokens(group) if t not in table.index]
    if missing:
        raise DataError(
            f"{len(missing)} frames of the mapping are not in the table, first {missing[0]}",
            "score all frames of both stages",
        )


def _checked(rows: pd.DataFrame, needed: tuple[str, ...]) -> pd.DataFrame:
    """The rows by their token; raises DataError where they cannot be aggregated."""
    missing = [name for name in ("token", *METRICS, *needed) if name not in rows]
    if missing:
        raise DataError(f"the table has no column {', '.join(missing)}", _HINT)
    if rows.empty:
        raise DataError("the table has no rows", _HINT)
    twice = rows.loc[rows["token"].duplicated(), "token"]
    if len(twice):
        raise DataError(f"token {twice.iloc[0]} is there twice", "aggregate one plan a frame")
    numbers = [*METRICS, *(name for name in needed if name not in ("log_name", "states"))]
    finite = np.isfinite(rows[numbers].to_numpy(np.float64)).all(axis=1)
    if not finite.all():
        bad = rows.loc[~finite, "token"]
        raise DataError(
            f"{len(bad)} frames have no scores, first {bad.iloc[0]}",
            "a mean over the others would not be comparable: fix these frames or leave them out",
        )
    return rows.set_index("token")
