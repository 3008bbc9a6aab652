"""From simulated states to the columns of a protocol: `pdms_v1` is PDMS of NAVSIM v1.1, computed
here; `epdms_v2` is EPDMS of v2.2, in `epdms`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reworld_agent.errors import ConfigError, SceneError
from reworld_agent.pdm.cache import N_STEPS, SceneCache
from reworld_agent.pdm.epdms import epdms_v2
from reworld_agent.pdm.progress import normalised_progress
from reworld_agent.pdm.records import Names, Records, failure_records, outside
from reworld_agent.pdm.sampling import knot_times_us, reference_poses, sample_times_us
from reworld_agent.pdm.scenery import Scenery, make_scenery
from reworld_agent.pdm.scorer import (
    COMFORT,
    DAC,
    DDC,
    LAST_TTC_STEP,
    NC,
    PROGRESS,
    TTC,
    score_states,
    weighted_score,
)
from reworld_agent.pdm.tracker import simulate

PROTOCOLS = ("pdms_v1", "epdms_v2")
_CHUNK = 256  # candidates whose states are in memory at once
_METRICS = {
    "no_at_fault_collisions": NC,
    "drivable_area_compliance": DAC,
    "time_to_collision_within_bound": TTC,
    "comfort": COMFORT,
    "driving_direction_compliance": DDC,
}


@dataclass
class Prepared:
    """What is computed once for a scene: the scenery and PDM-Closed's own drive.

    Attributes:
        scenery: map raster, traffic, centreline.
        pdm_closed: [17] row of `score_states` for PDM-Closed.
        names: of its tracks and polygons.
        human: the logged driver's scores, filled at first need, NaN without a logged future.
    """

    scenery: Scenery
    pdm_closed: NDArray[np.float64]
    names: Names
    human: dict[str, float] = field(default_factory=dict)


def prepare(cache: SceneCache) -> Prepared:
    """The scene's `Prepared`, kept with the cache object (whose arrays must not change after).

    Raises:
        SceneError: the cache lacks PDM-Closed's trajectory, a centreline, or a finite ego state.
    """
    known: Prepared | None = vars(cache).get("_prepared")
    if known is None:
        _check(cache)
        scenery = make_scenery(cache)
        states = simulate(np.array(cache.ego_state), np.array(cache.pdm_closed_poses[None]))
        known = Prepared(scenery, score_states(states, scenery, LAST_TTC_STEP)[0], Names.of(cache))
        vars(cache)["_prepared"] = known
    return known


def _check(cache: SceneCache) -> None:
    problems = {
        "its ego state is not finite": not np.isfinite(cache.ego_state).all(),
        "it has no PDM-Closed trajectory": cache.pdm_closed_poses.shape != (N_STEPS, 3)
        or not np.isfinite(cache.pdm_closed_poses).all(),
        "its centreline has fewer than two points": len(cache.centerline) < 2,
    }
    for problem, is_there in problems.items():
        if is_there:
            raise SceneError(
                f"scene {cache.token}: {problem}", "build its cache again from the logs"
            )


def judge(
    cache: SceneCache, poses: NDArray[np.float64], explain: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Simulate and judge `poses` [N, L, 3]: (`score_states` [N, 17], `outside` [N, 2])."""
    scenery = prepare(cache).scenery
    knots, samples = knot_times_us(cache.time_us, poses.shape[1]), sample_times_us(cache.time_us)
    ego_state = np.array(cache.ego_state)
    raws, off_road = [], []
    for start in range(0, len(poses), _CHUNK):
        chunk = reference_poses(ego_state, poses[start : start + _CHUNK], knots, samples)
        states = simulate(ego_state, chunk)
        raws.append(score_states(states, scenery, LAST_TTC_STEP))
        if explain:
            off_road.append(outside(states, raws[-1], scenery))
    return np.concatenate(raws), np.concatenate(off_road) if explain else np.empty((0, 2))


def score_with(
    cache: SceneCache, poses: NDArray[np.float64], protocol: str, explain: bool
) -> Records:
    """Columns of a protocol for checked poses [N, 8 or 40, 3]; see `api.score`."""
    if protocol not in PROTOCOLS:
        raise ConfigError(f"protocol {protocol!r} is unknown", f"use one of {', '.join(PROTOCOLS)}")
    if protocol == "epdms_v2":
        return epdms_v2(cache, poses, explain)
    raw, off_road = judge(cache, poses, explain)
    scores = pdms_v1(raw, prepare(cache).pdm_closed)
    if explain:
        scores.update(failure_records(raw, off_road, prepare(cache).names))
        for metric, value in human_scores(cache).items():
            scores[f"{metric}_human_fails"] = np.full(
                len(poses), np.nan if np.isnan(value) else float(value < 1.0)
            )
    return scores


def pdms_v1(raw: NDArray[np.float64], pdm_closed: NDArray[np.float64]) -> Records:
    """PDMS (NAVSIM v1.1) of N candidates, each compared with PDM-Closed alone."""
    multiplier = raw[:, NC] * raw[:, DAC]
    own = raw[:, PROGRESS] * multiplier
    reference = pdm_closed[PROGRESS] * pdm_closed[NC] * pdm_closed[DAC]
    progress = normalised_progress(raw[:, PROGRESS], multiplier, np.maximum(own, reference))
    columns = {metric: raw[:, column].copy() for metric, column in _METRICS.items()}
    return {
        "no_at_fault_collisions": columns["no_at_fault_collisions"],
        "drivable_area_compliance": columns["drivable_area_compliance"],
        "ego_progress": progress,
        "time_to_collision_within_bound": columns["time_to_collision_within_bound"],
        "comfort": columns["comfort"],
        "driving_direction_compliance": columns["driving_direction_compliance"],
        "score": weighted_score(raw, progress),
        "progress_m": raw[:, PROGRESS].copy(),
        "pdm_closed_progress_m": np.full(len(raw), pdm_closed[PROGRESS]),
    }


def human_scores(cache: SceneCache) -> dict[str, float]:
    """The logged driver's own metrics; NaN where the log has no 4 s of future."""
    prepared = prepare(cache)
    if not prepared.human:
        values = np.full(len(_METRICS), np.nan)
        if cache.human_poses.shape == (8, 3) and np.isfinite(cache.human_poses).all():
            raw, _ = judge(cache, np.array(cache.human_poses[None]), explain=False)
            values = raw[0, list(_METRICS.values())]
        prepared.human = dict(zip(_METRICS, values.tolist(), strict=True))
    return prepared.human
