"""PDM-Closed's 15 proposals: five IDM driving styles along the centreline and 1 m beside it.

Every style follows the nearest obstacle ahead in its corridor. Numbers that the devkit carries
over from one proposal to the next of the same path and step (length of the free road's "leader",
speed of the last moving leader) are carried over here too.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.cache import N_STEPS
from reworld_agent.pdm.geometry import HALF_LENGTH, HALF_WIDTH, REAR_AXLE_TO_CENTER, offset
from reworld_agent.pdm.idm import idm_step
from reworld_agent.pdm.kernel import kernel
from reworld_agent.pdm.path import pose_at
from reworld_agent.pdm.polygon_distance import box_to_polygon
from reworld_agent.pdm.progress import project

_SAMPLE_STEPS = 2


@kernel
def unroll(
    paths: NDArray[np.float64],
    along: NDArray[np.float64],
    blocks: NDArray[np.float64],
    begin: NDArray[np.float64],
    speed: float,
    target_speeds: NDArray[np.float64],
    hit: NDArray[np.int64],
    hit_start: NDArray[np.int64],
    xy: NDArray[np.float64],
    ring_start: NDArray[np.int64],
    polygon_start: NDArray[np.int64],
    center: NDArray[np.float64],
    shift: NDArray[np.float64],
    heading: NDArray[np.float64],
    is_light: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Poses of all proposals.

    Args:
        paths, along: [P, K, 3] states (unwrapped headings) and [P, K] distances [m] of each path.
        blocks: [P, B, 4] `progress.bound_blocks` of each path.
        begin: [P] distance along each path at which the ego starts [m].
        speed: of the ego at t0 [m/s].
        target_speeds: [S] of each driving style [m/s].
        hit, hit_start: `corridor.Hits`.
        xy, ring_start, polygon_start: vertices, rings and polygons of the M obstacles at t0.
        center: [M, 2] centroids at t0; shift: [M, 2] m/s.
        heading: [M] rad; is_light: [M].

    Returns:
        [P * S, 41, 3] global rear-axle poses at t0 + 0..4 s.
    """
    n_paths, n_styles = len(paths), len(target_speeds)
    poses = np.zeros((n_paths * n_styles, N_STEPS, 3))
    progress, speeds = np.empty(n_styles), np.empty(n_styles)
    lead = np.empty((n_styles, 3))
    moved = np.empty_like(xy)
    for p in range(n_paths):
        progress[:] = begin[p]
        speeds[:] = speed
        lead[:] = 0.0
        for s in range(n_styles):
            pose_at(paths[p], along[p], begin[p], poses[p * n_styles + s, 0])
        for t in range(1, N_STEPS):
            if t % _SAMPLE_STEPS == 0:
                i = t // _SAMPLE_STEPS * n_paths + p
                hits = hit[hit_start[i] : hit_start[i + 1]]
                time = t * 0.1
                hit_progress = np.empty(len(hits))
                for h in range(len(hits)):
                    m = hits[h]
                    hit_progress[h] = project(
                        paths[p],
                        along[p],
                        blocks[p],
                        center[m, 0] + shift[m, 0] * time,
                        center[m, 1] + shift[m, 1] * time,
                    )
                    first, last = ring_start[polygon_start[m]], ring_start[polygon_start[m + 1]]
                    for i in range(first, last):
                        moved[i, 0] = xy[i, 0] + shift[m, 0] * time
                        moved[i, 1] = xy[i, 1] + shift[m, 1] * time
                _update_leads(
                    poses[p * n_styles : (p + 1) * n_styles, t - 1],
                    progress,
                    along[p, -1],
                    hits,
                    hit_progress,
                    moved,
                    ring_start,
                    polygon_start,
                    shift,
                    heading,
                    is_light,
                    lead,
                )
            for s in range(n_styles):
                progress[s], speeds[s] = idm_step(
                    progress[s], speeds[s], lead[s, 0], lead[s, 1], lead[s, 2], target_speeds[s]
                )
                pose_at(paths[p], along[p], progress[s], poses[p * n_styles + s, t])
    return poses


@kernel
def _update_leads(
    poses: NDArray[np.float64],
    progress: NDArray[np.float64],
    path_length: float,
    hits: NDArray[np.int64],
    hit_progress: NDArray[np.float64],
    xy: NDArray[np.float64],
    ring_start: NDArray[np.int64],
    polygon_start: NDArray[np.int64],
    shift: NDArray[np.float64],
    heading: NDArray[np.float64],
    is_light: NDArray[np.bool_],
    lead: NDArray[np.float64],
) -> None:
    """The leader (progress [m], speed [m/s], rear [m]) of every style of one path, into `lead`."""
    lead_progress, lead_speed, lead_rear = 0.0, 0.0, 0.0
    for s in range(len(progress)):
        nearest, best = -1, np.inf
        corners = _ego_corners(poses[s])
        for h in range(len(hits)):
            if not hit_progress[h] > progress[s]:
                continue
            m = hits[h]
            distance = box_to_polygon(
                corners, xy, ring_start, polygon_start[m], polygon_start[m + 1], best
            )
            if distance < best or nearest < 0:
                nearest, best = m, distance
        if nearest < 0:
            lead_progress, lead_rear = path_length, HALF_LENGTH
        else:
            lead_progress = progress[s] + best
            if not is_light[nearest]:
                speed = math.hypot(shift[nearest, 0], shift[nearest, 1])
                lead_speed = speed * math.cos(heading[nearest] - poses[s, 2])
        lead[s, 0], lead[s, 1], lead[s, 2] = lead_progress, lead_speed, lead_rear


@kernel
def _ego_corners(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    corners = np.empty((5, 2))
    x, y = offset(pose[0], pose[1], pose[2], REAR_AXLE_TO_CENTER, 0.0)
    for k in range(5):
        lon = HALF_LENGTH if k in (0, 3, 4) else -HALF_LENGTH
        lat = HALF_WIDTH if k in (0, 1, 4) else -HALF_WIDTH
        corners[k, 0], corners[k, 1] = offset(x, y, pose[2], lon, lat)
    return corners
