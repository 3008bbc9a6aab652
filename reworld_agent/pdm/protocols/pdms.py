"""From simulated states to the columns of a protocol: `pdms_v1` is PDMS of NAVSIM v1.1, computed
here; `epdms_v2` is EPDMS of v2.2, in `epdms`; `both` is the two from one simulation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import ConfigError, SceneError
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.metrics.progress import normalised_progress
from reworld_agent.pdm.protocols import epdms
from reworld_agent.pdm.protocols.epdms import epdms_columns, epdms_v2, joined
from reworld_agent.pdm.protocols.records import Names, Records, failure_records, outside
from reworld_agent.pdm.protocols.scorer import (
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
from reworld_agent.pdm.scene_cache import N_STEPS, SceneCache
from reworld_agent.pdm.simulate.rollout import drives, simulated
from reworld_agent.pdm.simulate.tracker import simulate
from reworld_agent.pdm.world.scenery import Scenery, scenery_of

if TYPE_CHECKING:
    from reworld_agent.pdm.traffic.rails import Rails

PROTOCOLS = ("pdms_v1", "epdms_v2")
BOTH = "both"  # every column named <protocol>_<column>
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
        ensure_compiled()
        scenery = scenery_of(cache)
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


def judge_states(
    scenery: Scenery, states: NDArray[np.float64], explain: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Judge simulated states [N, 41, 11]: (`score_states` [N, 17], `outside` [N, 2])."""
    raw = score_states(states, scenery, LAST_TTC_STEP)
    return raw, outside(states, raw, scenery) if explain else np.empty((0, 2))


def score_with(
    cache: SceneCache,
    poses: NDArray[np.float64],
    protocol: str,
    explain: bool,
    rails: Rails | None = None,
) -> Records:
    """Columns of a protocol for checked poses [N, 8 or 40, 3]; see `api.score`."""
    if protocol not in (*PROTOCOLS, BOTH):
        known = ", ".join((*PROTOCOLS, BOTH))
        raise ConfigError(f"protocol {protocol!r} is unknown", f"use one of {known}")
    if rails is not None:
        return _reactive(cache, rails, poses, protocol, explain)
    if protocol == "epdms_v2":
        return epdms_v2(cache, poses, explain)
    if protocol == BOTH:
        return _both(cache, poses, explain)
    scenery = prepare(cache).scenery
    parts = [judge_states(scenery, states, explain) for states in drives(cache, poses)]
    return _pdms_columns(cache, parts, explain)


def _reactive(
    cache: SceneCache, rails: Rails, poses: NDArray[np.float64], protocol: str, explain: bool
) -> Records:
    if protocol != "epdms_v2":
        raise ConfigError(
            f"protocol {protocol!r} replays the log", "reactive traffic needs protocol='epdms_v2'"
        )
    from reworld_agent.pdm.protocols.reactive import epdms_v2_reactive  # it needs the map libraries

    return epdms_v2_reactive(cache, rails, poses, explain)


def _both(cache: SceneCache, poses: NDArray[np.float64], explain: bool) -> Records:
    """Columns of both protocols, each named by its own; every candidate is simulated once."""
    scenery, prepared = prepare(cache).scenery, epdms.prepare(cache)
    first, second = [], []
    for states in drives(cache, poses):
        first.append(judge_states(scenery, states, explain))
        second.append(epdms.judge_states(prepared, states, explain))
    columns = {
        "pdms_v1": _pdms_columns(cache, first, explain),
        "epdms_v2": epdms_columns(cache, prepared, joined(second), explain),
    }
    return {f"{name}_{key}": v for name, records in columns.items() for key, v in records.items()}


def _pdms_columns(
    cache: SceneCache,
    parts: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    explain: bool,
) -> Records:
    """Columns of `pdms_v1` from results of `judge_states`."""
    raw, off_road = (np.concatenate(part) for part in zip(*parts, strict=True))
    scores = pdms_v1(raw, prepare(cache).pdm_closed)
    if explain:
        scores.update(failure_records(raw, off_road, prepare(cache).names))
        for metric, value in human_scores(cache).items():
            scores[f"{metric}_human_fails"] = np.full(
                len(raw), np.nan if np.isnan(value) else float(value < 1.0)
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
            states = simulated(cache, cache.human_poses[None])
            raw = score_states(states, prepared.scenery, LAST_TTC_STEP)
            values = raw[0, list(_METRICS.values())]
        prepared.human = dict(zip(_METRICS, values.tolist(), strict=True))
    return prepared.human
