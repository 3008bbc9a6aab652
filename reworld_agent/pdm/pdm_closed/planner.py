"""PDM-Closed (Dauner et al. 2023), the rule-based planner whose progress sets the scale of EP.

Fifteen proposals are rolled out in a constant-velocity forecast and scored like any trajectory;
the best one, as planned (not as rolled out), is the reference. The planner is new for every scene.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.progress import normalised_progress, progress_share
from reworld_agent.pdm.metrics.raw_columns import Raw, by_name
from reworld_agent.pdm.metrics.table import EP, EPDMS_V2, HC, PDMS_V1, TTC
from reworld_agent.pdm.metrics.ttc import LAST_STEP_V1, LAST_STEP_V2
from reworld_agent.pdm.pdm_closed.corridor import corridor, find_hits, in_tree_order
from reworld_agent.pdm.pdm_closed.forecast import Forecast
from reworld_agent.pdm.pdm_closed.idm import FALLBACK_SPEED_LIMIT, SPEED_SHARES
from reworld_agent.pdm.pdm_closed.path import shifted, unwrapped
from reworld_agent.pdm.pdm_closed.proposals import Obstacles, lay_out, unroll
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.scorer.common import score_states
from reworld_agent.pdm.scorer.extended import extended_metrics
from reworld_agent.pdm.world.red_lights import make_red_lights
from reworld_agent.pdm.world.scenery import make_scenery

_OFFSETS = (-1.0, 1.0)  # m to the left of the centreline
STEP_US = 100_000


def make_proposals(
    ego_state: NDArray[np.float64],
    centerline: NDArray[np.float64],
    speed_limit: float | None,
    obstacles: Forecast,
) -> NDArray[np.float64]:
    """The proposals.

    Args:
        ego_state: [11] global rear axle at t0.
        centerline: [K, 3] global.
        speed_limit: of the starting lane [m/s], or None.
        obstacles: what to keep clear of.

    Returns:
        [15, 41, 3] global rear-axle poses at t0 + 0..4 s: centreline, right, left of it; five
        styles each, slow to fast.
    """
    limit = FALLBACK_SPEED_LIMIT if speed_limit is None else speed_limit
    targets = np.array(SPEED_SHARES) * limit
    lines = [centerline, *(shifted(centerline, offset) for offset in _OFFSETS)]
    states = np.stack([unwrapped(line) for line in lines])
    course = lay_out(states, ego_state[0], ego_state[1])
    strips = [
        corridor(states[p], course.along[p], course.begin[p], float(targets.max()))
        for p in range(len(states))
    ]
    speed, flat = float(ego_state[3]), _flat(obstacles)
    poses, tied = unroll(course, speed, targets, find_hits(strips, obstacles), flat)
    if tied:
        poses, _ = unroll(course, speed, targets, in_tree_order(strips, obstacles), flat)
    return poses


def choose(states: NDArray[np.float64], expected: SceneCache) -> tuple[int, int]:
    """The proposals that PDM-Closed of v1.1 and of v2.2 prefer.

    Args:
        states: [15, 41, 11] rollouts of the proposals.
        expected: the scene with the forecast in place of its traffic and lights.
    """
    scenery = make_scenery(expected)
    rows = score_states(states, scenery, LAST_STEP_V1)
    extended_metrics(states, scenery, make_red_lights(expected, scenery.origin), rows)
    raw = by_name(rows)
    # NumPy's argmax takes the first of equal scores, as PDM-Closed does.
    return int(np.argmax(_scores_v1(raw))), int(np.argmax(_scores_v2(raw)))


def _scores_v1(raw: Raw) -> NDArray[np.float64]:
    """PDMS [N] of proposals that compete with each other (EP relative to the best of all)."""
    values = PDMS_V1.values(raw)
    multiplier = PDMS_V1.product(values)
    best = np.max(raw["progress"] * multiplier)
    return PDMS_V1.score(
        {**values, EP.name: normalised_progress(raw["progress"], multiplier, best)}
    )


def _scores_v2(raw: Raw) -> NDArray[np.float64]:
    """EPDMS [N] of proposals that compete with each other, without EC."""
    ttc_v2 = (raw["ttc_step"] < 0) | (raw["ttc_step"] > LAST_STEP_V2)
    # PDM-Closed does not look at its past, so that HC is always 1.
    given = {TTC.name: ttc_v2.astype(np.float64), HC.name: np.ones(len(raw))}
    values = EPDMS_V2.values(raw) | given
    best = np.max(raw["progress"] * EPDMS_V2.product(values))
    return EPDMS_V2.score({**values, EP.name: progress_share(raw["progress"], best)})


def sampled(
    poses: NDArray[np.float64], time_us: int, sample_us: NDArray[np.int64]
) -> NDArray[np.float64]:
    """A proposal at the log times at which trajectories are sampled.

    Args:
        poses: [41, 3] global poses, exactly 0.1 s apart from t0 on.
        time_us: log time of t0 [µs].
        sample_us: [41] log times, which may fall short of full steps by a microsecond.

    Returns:
        [41, 3] global poses, headings in [−π, π).
    """
    since = (np.maximum(sample_us, time_us) - time_us).astype(np.float64)
    low = np.clip(np.ceil(since / STEP_US).astype(np.int64), 1, len(poses) - 1) - 1
    knots = unwrapped(poses)
    slope = (knots[low + 1] - knots[low]) / STEP_US
    result = slope * (since - low * STEP_US)[:, None] + knots[low]
    result[:, 2] = (result[:, 2] + np.pi) % (2 * np.pi) - np.pi
    return result


def _flat(obstacles: Forecast) -> Obstacles:
    boxes, lights = obstacles.boxes, obstacles.lights
    n, no_shift = len(boxes.token), np.zeros((len(lights), 2))
    rings, light_of_ring = shapely.get_rings(lights, return_index=True)
    lengths = np.append(np.full(n, 5), shapely.get_num_coordinates(rings))
    counts = np.append(np.ones(n), np.bincount(light_of_ring, minlength=len(lights)))
    centroids = shapely.get_coordinates(shapely.centroid(lights)).reshape(-1, 2)
    return Obstacles(
        np.concatenate([obstacles.corners.reshape(-1, 2), shapely.get_coordinates(rings)]),
        np.append(0, np.cumsum(lengths)).astype(np.int64),
        np.append(0, np.cumsum(counts)).astype(np.int64),
        np.concatenate([boxes.pose[:, :2], centroids]),
        np.concatenate([obstacles.shift, no_shift]),
        np.append(boxes.pose[:, 2], np.zeros(len(lights))),
        np.arange(n + len(lights)) >= n,
    )
