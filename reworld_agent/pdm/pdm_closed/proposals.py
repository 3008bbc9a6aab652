"""PDM-Closed's 15 proposals: five IDM driving styles along the centreline and 1 m beside it.

Every style follows the nearest obstacle ahead in its corridor.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.pdm_closed.idm import idm_step
from reworld_agent.pdm.pdm_closed.path import pose_at
from reworld_agent.pdm.scene_cache import N_STEPS
from reworld_agent.pdm.world.geometry import HALF_LENGTH, HALF_WIDTH, REAR_AXLE_TO_CENTER, offset
from reworld_agent.pdm.world.polygon_distance import box_to_polygon
from reworld_agent.pdm.world.polyline import arc_length_at, bound_blocks, project

STEP_S = 0.1
SAMPLE_STEPS = 2  # obstacles and leaders are looked at every second step


class Course(NamedTuple):
    """P paths of K states to drive along."""

    states: NDArray[np.float64]  # [P, K, 3] x, y [m], heading [rad], unwrapped; global
    along: NDArray[np.float64]  # [P, K] distance along the path [m]
    blocks: NDArray[np.float64]  # [P, B, 4] `polyline.bound_blocks`
    begin: NDArray[np.float64]  # [P] distance along the path where the ego starts [m]


class Obstacles(NamedTuple):
    """M polygons, R rings, V vertices of the forecast at t0, each with a constant velocity."""

    xy: NDArray[np.float64]  # [V, 2] m, global; rings are closed
    ring_start: NDArray[np.int64]  # [R + 1]
    polygon_start: NDArray[np.int64]  # [M + 1]
    center: NDArray[np.float64]  # [M, 2] centroid
    shift: NDArray[np.float64]  # [M, 2] m/s
    heading: NDArray[np.float64]  # [M] rad
    is_light: NDArray[np.bool_]  # [M]


class Hits(NamedTuple):
    """Obstacles in the corridor of each path at each forecast sample.

    Hits of path p of P at sample s: `obstacle[start[s * P + p] : start[s * P + p + 1]]`.
    """

    obstacle: NDArray[np.int64]
    start: NDArray[np.int64]  # [samples * P + 1]


def lay_out(states: NDArray[np.float64], x: float, y: float) -> Course:
    """Measure the paths [P, K, 3]; the ego starts where (x, y) projects onto each."""
    step = np.diff(states[..., :2], axis=1)
    along = np.zeros(states.shape[:2])
    np.cumsum(
        np.sqrt(step[..., 0] * step[..., 0] + step[..., 1] * step[..., 1]), 1, out=along[:, 1:]
    )
    blocks = np.stack([bound_blocks(path) for path in states])
    begin = np.array([arc_length_at(*path, x, y) for path in zip(states, along, strict=True)])
    return Course(states, along, blocks, begin)


@kernel
def unroll(
    course: Course,
    speed: float,
    target_speeds: NDArray[np.float64],
    hits: Hits,
    obstacles: Obstacles,
) -> tuple[NDArray[np.float64], bool]:
    """Drive every style along every path.

    Args:
        course: the paths.
        speed: of the ego at t0 [m/s].
        target_speeds: [S] of each driving style [m/s].
        hits: what stands in the way.
        obstacles: what `hits` numbers.

    Returns:
        [P * S, 41, 3] global rear-axle poses at t0 + 0..4 s, and whether anywhere two obstacles
        were equally near, so that their order in `hits` mattered.
    """
    n_paths, n_styles = len(course.states), len(target_speeds)
    poses = np.empty((n_paths * n_styles, N_STEPS, 3))
    progress, speeds = np.empty(n_styles), np.empty(n_styles)
    lead = np.empty((n_styles, 3))
    moved = np.empty(obstacles.xy.shape)
    tied = False
    for p in range(n_paths):
        states, along = course.states[p], course.along[p]
        mine = poses[p * n_styles : (p + 1) * n_styles]
        for s in range(n_styles):
            progress[s], speeds[s] = course.begin[p], speed
            lead[s, 0], lead[s, 1], lead[s, 2] = 0.0, 0.0, 0.0
            pose_at(states, along, progress[s], mine[s, 0])
        for t in range(1, N_STEPS):
            if t % SAMPLE_STEPS == 0:
                group = t // SAMPLE_STEPS * n_paths + p
                ahead = hits.obstacle[hits.start[group] : hits.start[group + 1]]
                where = _move(course, p, ahead, obstacles, t * STEP_S, moved)
                tied |= _update_leads(
                    mine[:, t - 1], progress, along[-1], ahead, where, moved, obstacles, lead
                )
            for s in range(n_styles):
                progress[s], speeds[s] = idm_step(
                    progress[s], speeds[s], lead[s, 0], lead[s, 1], lead[s, 2], target_speeds[s]
                )
                pose_at(states, along, progress[s], mine[s, t])
    return poses, tied


@helper
def _move(
    course: Course,
    p: int,
    ahead: NDArray[np.int64],
    obstacles: Obstacles,
    time: float,
    moved: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Bring the obstacles `ahead` to t0 + `time` [s] in `moved` [V, 2].

    Returns the distance along path p of each one's centroid [m].
    """
    where = np.empty(len(ahead))
    for h in range(len(ahead)):
        m = ahead[h]
        dx, dy = obstacles.shift[m, 0] * time, obstacles.shift[m, 1] * time
        where[h] = project(
            course.states[p],
            course.along[p],
            course.blocks[p],
            obstacles.center[m, 0] + dx,
            obstacles.center[m, 1] + dy,
        )
        first = obstacles.ring_start[obstacles.polygon_start[m]]
        last = obstacles.ring_start[obstacles.polygon_start[m + 1]]
        for i in range(first, last):
            moved[i, 0] = obstacles.xy[i, 0] + dx
            moved[i, 1] = obstacles.xy[i, 1] + dy
    return where


@helper
def _update_leads(
    poses: NDArray[np.float64],
    progress: NDArray[np.float64],
    path_length: float,
    ahead: NDArray[np.int64],
    where: NDArray[np.float64],
    moved: NDArray[np.float64],
    obstacles: Obstacles,
    lead: NDArray[np.float64],
) -> bool:
    """The leader (progress [m], speed [m/s], rear [m]) of every style of one path, into `lead`.

    Returns whether two obstacles were equally near.
    """
    tied = False
    # The devkit fills one array for all styles of a path and never clears it: the length of the
    # free road's "leader" and the speed of the last moving leader go on to the styles that follow.
    lead_progress, lead_speed, lead_rear = 0.0, 0.0, 0.0
    for s in range(len(progress)):
        nearest, best, second = -1, np.inf, False
        corners = _ego_corners(poses[s])
        for h in range(len(ahead)):
            if not where[h] > progress[s]:  # its centroid is behind: passed over, however near
                continue
            m = ahead[h]
            first, last = obstacles.polygon_start[m], obstacles.polygon_start[m + 1]
            distance = box_to_polygon(corners, moved, obstacles.ring_start, first, last)
            if distance < best or nearest < 0:
                nearest, best, second = m, distance, False
            elif distance == best:
                second = True
        if nearest < 0:
            lead_progress, lead_rear = path_length, HALF_LENGTH
        else:
            lead_progress = progress[s] + best
            if not obstacles.is_light[nearest]:
                speed = math.hypot(obstacles.shift[nearest, 0], obstacles.shift[nearest, 1])
                lead_speed = speed * math.cos(obstacles.heading[nearest] - poses[s, 2])
        lead[s, 0], lead[s, 1], lead[s, 2] = lead_progress, lead_speed, lead_rear
        tied |= second
    return tied


@helper
def _ego_corners(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rear-axle pose [3] → corners of the ego box [5, 2], the first repeated."""
    corners = np.empty((5, 2))
    x, y = offset(pose[0], pose[1], pose[2], REAR_AXLE_TO_CENTER, 0.0)
    for k in range(5):
        lon = -HALF_LENGTH if 0 < k < 3 else HALF_LENGTH
        lat = -HALF_WIDTH if 1 < k < 4 else HALF_WIDTH
        corners[k, 0], corners[k, 1] = offset(x, y, pose[2], lon, lat)
    return corners
