"""EPDMS of NAVSIM v2.2 with log replay: NC, DAC, DDC and TLC multiply, EP, TTC, LK and HC weigh.

`pdm_score` = NC·DAC·DDC·TLC·(5·EP + 5·TTC + 2·LK + 2·HC) / 14; with the comfort between two
frames (EC) it is (… + 2·EC) / 16. The human filter sets a metric to 1 where the logged driver has
0; the devkit applies it after `pdm_score`, which therefore stays without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.metrics.extended import (
    DDC,
    LAST_TTC_STEP,
    LK,
    LK_STEP,
    TLC,
    TLC_LIGHT,
    TLC_STEP,
    RedLights,
    extended_metrics,
    make_lights,
)
from reworld_agent.pdm.metrics.history_comfort import (
    HC,
    HC_EXCESS,
    HC_QUANTITY,
    HC_STEP,
    Filters,
    filters,
    history_comfort,
    past_at_10_hz,
    two_frame_comfort,
)
from reworld_agent.pdm.metrics.progress import MIN_BEST_PROGRESS
from reworld_agent.pdm.protocols.records import (
    Names,
    Records,
    failure_records,
    outside,
    quantity_names,
)
from reworld_agent.pdm.protocols.scorer import DAC, NC, PROGRESS, TTC, score_states
from reworld_agent.pdm.scene_cache import N_STEPS, SceneCache
from reworld_agent.pdm.simulate.rollout import drives, simulated
from reworld_agent.pdm.simulate.tracker import simulate
from reworld_agent.pdm.world.geometry import (
    HALF_LENGTH,
    HALF_WIDTH,
    RADIUS,
    REAR_AXLE_TO_CENTER,
    box_meets_box,
)
from reworld_agent.pdm.world.scenery import Scenery, Traffic, make_traffic, scenery_of

MULTIPLIERS = (
    "no_at_fault_collisions",
    "drivable_area_compliance",
    "driving_direction_compliance",
    "traffic_light_compliance",
)
WEIGHTS = {
    "ego_progress": 5.0,
    "time_to_collision_within_bound": 5.0,
    "lane_keeping": 2.0,
    "history_comfort": 2.0,
}
EC_WEIGHT = 2.0
METRICS = (*MULTIPLIERS, *WEIGHTS)
_STEPS_PER_FRAME = 5
_MAX_INTERVAL_S = 0.55


@dataclass
class Judged:
    """What the kernels say of N candidates: `score_states`, `extended_metrics`,
    `history_comfort`, `records.outside` (empty unless explained)."""

    raw: NDArray[np.float64]
    extended: NDArray[np.float64]
    comfort: NDArray[np.float64]
    off_road: NDArray[np.float64]


@dataclass
class Prepared:
    """What is computed once for a scene.

    Attributes:
        scenery, lights: map, v2.2's traffic, red lights.
        past, weights: for HC.
        pdm_closed: PDM-Closed v2.2's progress [m] and product of multipliers.
        human_fails: metrics that the logged driver has 0 in; None without a logged future.
        names: of tracks and polygons.
    """

    scenery: Scenery
    lights: RedLights
    past: NDArray[np.float64]
    weights: Filters
    pdm_closed: tuple[float, float]
    human_fails: tuple[str, ...] | None
    names: Names


def prepare(cache: SceneCache) -> Prepared:
    """The scene's `Prepared`, kept with the cache object.

    Raises:
        SceneError: the cache lacks what only EPDMS needs (PDM-Closed v2.2, the past).
    """
    known: Prepared | None = vars(cache).get("_prepared_v2")
    if known is not None:
        return known
    if cache.pdm_closed_poses_v2.shape != (N_STEPS, 3) or len(cache.past_states) < 2:
        raise SceneError(
            f"scene {cache.token}: its cache has no PDM-Closed v2.2 or no past, which EPDMS needs",
            "build its cache from the logs with pdm.build_scene_cache",
        )
    ensure_compiled()
    scenery = scenery_of(cache)
    scenery = scenery._replace(traffic=replayed_traffic(cache, scenery))
    past = past_at_10_hz(cache.past_states, cache.past_time_us)
    names = Names.of(cache)
    known = Prepared(
        scenery,
        make_lights(cache, scenery.origin),
        past,
        filters(len(past) + N_STEPS),
        (0.0, 0.0),
        None,
        names,
    )
    closed = judge_states(known, _drive(cache, cache.pdm_closed_poses_v2[None]), explain=False)
    known.pdm_closed = (float(closed.raw[0, PROGRESS]), float(_multiplier(closed)[0]))
    if cache.human_poses.shape == (8, 3) and np.isfinite(cache.human_poses).all():
        human = judge_states(known, simulated(cache, cache.human_poses[None]), explain=False)
        human.comfort[:, HC] = 1.0  # the devkit scores the driver without the past
        columns = _columns(human, 0.0)
        known.human_fails = tuple(m for m in METRICS if columns[m][0] == 0.0)
    vars(cache)["_prepared_v2"] = known
    return known


def replayed_traffic(cache: SceneCache, scenery: Scenery) -> Traffic:
    """The log replay of v2.2: what is seen within 4 s, without what overlaps the ego at t0."""
    pose = np.full_like(cache.track_pose, np.nan)
    for k, (first, last) in enumerate(cache.track_sightings.tolist()):
        if first < 0:
            continue
        if first == last:  # seen once: there all the time
            pose[:N_STEPS, k] = cache.track_pose[first * _STEPS_PER_FRAME, k]
        else:
            steps = slice(first * _STEPS_PER_FRAME, last * _STEPS_PER_FRAME + 1)
            pose[steps, k] = cache.track_pose[steps, k]
    traffic = make_traffic(
        pose, cache.track_size, cache.track_type, cache.track_speed, scenery.origin
    )
    gone = _overlapping(traffic, np.array(cache.ego_state), scenery.origin)
    pose[:, gone] = np.nan
    return make_traffic(pose, cache.track_size, cache.track_type, cache.track_speed, scenery.origin)


def _overlapping(
    traffic: Traffic, ego_state: NDArray[np.float64], origin: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """[T] tracks whose box meets the ego's at t0."""
    x, y, heading = ego_state[:3].tolist()
    cos, sin = math.cos(heading), math.sin(heading)
    ahead = np.array([cos, sin]) * REAR_AXLE_TO_CENTER
    apart = traffic.pose[:, 0, :2] - (np.array([x, y]) + ahead - origin)
    near = np.hypot(*apart.T) <= RADIUS + traffic.traits[:, :2].sum(axis=1)
    meets = near.copy()
    for k in np.flatnonzero(near).tolist():
        dx, dy = apart[k].tolist()
        cos_k, sin_k = traffic.pose[k, 0, 2:].tolist()
        length, width = traffic.traits[k, :2].tolist()
        meets[k] = box_meets_box(
            dx, dy, cos, sin, HALF_LENGTH, HALF_WIDTH, cos_k, sin_k, length, width
        )
    return meets


def _drive(cache: SceneCache, reference: NDArray[np.float64]) -> NDArray[np.float64]:
    return simulate(np.array(cache.ego_state), np.array(reference))


def judge_states(prepared: Prepared, states: NDArray[np.float64], explain: bool) -> Judged:
    """Judge simulated states [N, 41, 11]."""
    raw = score_states(states, prepared.scenery, LAST_TTC_STEP)
    return Judged(
        raw,
        extended_metrics(states, prepared.scenery, prepared.lights),
        history_comfort(states, prepared.past, prepared.weights),
        outside(states, raw, prepared.scenery) if explain else np.empty((0, 2)),
    )


def joined(parts: Sequence[Judged]) -> Judged:
    """What is said of all candidates, from that of some at a time."""
    return Judged(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("raw", "extended", "comfort", "off_road")
        )
    )


def _multiplier(judged: Judged) -> NDArray[np.float64]:
    raw, extended = judged.raw, judged.extended
    return raw[:, NC] * raw[:, DAC] * extended[:, DDC] * extended[:, TLC]


def _columns(judged: Judged, reference: float) -> Records:
    """Metrics before the human filter; `reference` is PDM-Closed's progress · multipliers [m]."""
    raw, extended = judged.raw, judged.extended
    best = np.maximum(raw[:, PROGRESS] * _multiplier(judged), reference)
    share = np.clip(raw[:, PROGRESS] / np.where(best > 0.0, best, 1.0), 0.0, 1.0)
    return {
        "no_at_fault_collisions": raw[:, NC].copy(),
        "drivable_area_compliance": raw[:, DAC].copy(),
        "driving_direction_compliance": extended[:, DDC].copy(),
        "traffic_light_compliance": extended[:, TLC].copy(),
        "ego_progress": np.where(best > MIN_BEST_PROGRESS, share, 1.0),
        "time_to_collision_within_bound": raw[:, TTC].copy(),
        "lane_keeping": extended[:, LK].copy(),
        "history_comfort": judged.comfort[:, HC].copy(),
    }


def combine(columns: Records, two_frame: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """EPDMS [N] of metric columns; with `two_frame` [N] (EC) the full score of two frames."""
    product = np.prod([columns[name] for name in MULTIPLIERS], axis=0)
    weighted = sum(weight * columns[name] for name, weight in WEIGHTS.items())
    total = sum(WEIGHTS.values())
    if two_frame is not None:
        weighted, total = weighted + EC_WEIGHT * two_frame, total + EC_WEIGHT
    result: NDArray[np.float64] = product * weighted / total
    return result


def epdms_v2(cache: SceneCache, poses: NDArray[np.float64], explain: bool) -> Records:
    """Columns of EPDMS for checked poses [N, 8 or 40, 3], each alone with PDM-Closed v2.2.

    Returns:
        The eight metrics after the human filter, `score` from them (without EC), `pdm_score` as
        the devkit has it (before the filter), each metric before it as `<metric>_unfiltered`,
        progress_m, pdm_closed_progress_m; with `explain` the failure records.
    """
    prepared = prepare(cache)
    parts = [judge_states(prepared, states, explain) for states in drives(cache, poses)]
    return epdms_columns(cache, prepared, joined(parts), explain)


def epdms_columns(cache: SceneCache, prepared: Prepared, judged: Judged, explain: bool) -> Records:
    """Columns of `epdms_v2` for N candidates that were judged in the scene as `prepared`."""
    n = len(judged.raw)
    progress, multiplier = prepared.pdm_closed
    before = _columns(judged, progress * multiplier)
    fails = prepared.human_fails or ()
    after = {m: np.ones(n) if m in fails else v.copy() for m, v in before.items()}
    result: Records = {
        **after,
        "score": combine(after),
        "pdm_score": combine(before),
        **{f"{metric}_unfiltered": values for metric, values in before.items()},
        "progress_m": judged.raw[:, PROGRESS].copy(),
        "pdm_closed_progress_m": np.full(n, progress),
    }
    if explain:
        result.update(_records(cache, prepared, judged))
    return result


def _records(cache: SceneCache, prepared: Prepared, judged: Judged) -> Records:
    """Failure records of the common metrics and of TLC, LK, HC; whether the driver fails."""
    extended, comfort, n = judged.extended, judged.comfort, len(judged.raw)
    common = failure_records(judged.raw, judged.off_road, prepared.names)
    records = {k: v for k, v in common.items() if not k.startswith("comfort")}
    lights = np.append(cache.light_id.astype(np.str_), "")
    fine = comfort[:, HC] > 0.0
    records |= {
        "traffic_light_compliance_failure_time_s": _seconds(extended[:, TLC_STEP]),
        "traffic_light_compliance_light": lights[extended[:, TLC_LIGHT].astype(np.int64)],
        "lane_keeping_failure_time_s": _seconds(extended[:, LK_STEP]),
        "history_comfort_failure_time_s": np.where(
            fine, np.nan, np.round(comfort[:, HC_STEP] / 10, 1)
        ),
        "history_comfort_quantity": quantity_names(comfort[:, HC_QUANTITY]),
        "history_comfort_excess": np.where(fine, np.nan, comfort[:, HC_EXCESS]),
    }
    known = prepared.human_fails
    for metric in METRICS:
        fails = np.nan if known is None else float(metric in known)
        records[f"{metric}_human_fails"] = np.full(n, fails)
    return records


def _seconds(step: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(step < 0, np.nan, np.round(step / 10, 1))


def score_two_frames(
    now: SceneCache,
    poses: NDArray[np.float64],
    before: SceneCache,
    poses_before: NDArray[np.float64],
) -> Records:
    """EPDMS with EC: N plans of a frame, each beside the plan of the frame before it.

    Args:
        now, poses: the later scene and its candidates [N, 8 or 40, 3].
        before, poses_before: the same log's scene at most 0.55 s earlier, and [N, 8 or 40, 3].

    Returns:
        `epdms_v2` of the later frame with two_frame_extended_comfort [N] and `score` including it.

    Raises:
        SceneError: the scenes are not consecutive frames of one log.
    """
    interval_s = (now.time_us - before.time_us) * 1e-6
    if now.log_name != before.log_name or not 0.0 < interval_s < _MAX_INTERVAL_S:
        raise SceneError(
            f"scenes {before.token} and {now.token} are {interval_s:.2f} s apart",
            "EC compares frames of one log that are less than 0.55 s apart",
        )
    drives = simulated(now, poses), simulated(before, poses_before)
    result = epdms_v2(now, poses, explain=False)
    comfort = two_frame_comfort(drives[0], drives[1], interval_s)
    result["two_frame_extended_comfort"] = comfort
    result["score"] = combine(result, comfort)
    return result
