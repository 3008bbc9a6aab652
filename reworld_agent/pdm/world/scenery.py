"""What the kernels read: a scene's map, traffic and centreline as arrays around a local origin.

Coordinates are global metres minus a whole-number origin near the ego; the subtraction is exact,
so nothing is lost against the devkit, which computes in global coordinates.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import kernel
from reworld_agent.pdm.scene_cache import N_AGENT_TYPES, POLYGON_KINDS, SceneCache
from reworld_agent.pdm.world import grid
from reworld_agent.pdm.world.geometry import half_extents
from reworld_agent.pdm.world.grid import Grid
from reworld_agent.pdm.world.grid_build import build_grid
from reworld_agent.pdm.world.polyline import bound_blocks

STOPPED_TRACK_SPEED = 0.05  # m/s

# Columns of `Traffic.traits`. An agent is a vehicle, pedestrian or bicycle.
HALF_LENGTH, HALF_WIDTH, IS_AGENT, IS_STOPPED = range(4)

# What each kind of polygon is for the metrics, in the order of `POLYGON_KINDS`.
_ROLES_BY_KIND = {
    "roadblock": grid.DRIVABLE,
    "lane": grid.LANE,
    "lane_connector": grid.LANE,
    "intersection": grid.DRIVABLE | grid.INTERSECTION,
    "carpark": grid.DRIVABLE,
}
_ROLES = np.array([_ROLES_BY_KIND[kind] for kind in POLYGON_KINDS])


class Traffic(NamedTuple):
    """T boxes over S steps at 10 Hz, local coordinates."""

    pose: NDArray[np.float64]  # [T, S, 4] centre x, y [m], cos, sin of the heading; NaN: absent
    sweep: NDArray[np.float64]  # [T, 4] low x, low y, high x, high y of the box over all steps
    traits: NDArray[np.float64]  # [T, 4] half length, half width [m], is agent, is stopped (0, 1)


class Scenery(NamedTuple):
    """Everything `scorer.common.score_states` needs besides the states."""

    origin: NDArray[np.float64]  # [2] local = global − origin
    grid: Grid
    traffic: Traffic
    centerline: NDArray[np.float64]  # [K, 2] local
    arc: NDArray[np.float64]  # [K] arc length of the centreline [m]
    blocks: NDArray[np.float64]  # [B, 4] bounds of its parts, see `polyline.bound_blocks`


def local_origin(ego_state: NDArray[np.float64]) -> NDArray[np.float64]:
    """[2] whole metres near the ego."""
    return np.round(ego_state[:2])


def make_traffic(
    track_pose: NDArray[np.float64],
    track_size: NDArray[np.float64],
    track_type: NDArray[np.int8],
    track_speed: NDArray[np.float64],
    origin: NDArray[np.float64],
) -> Traffic:
    """Traffic of S steps.

    Args:
        track_pose: [S, T, 3] box centre x, y [m], heading [rad], global; NaN where absent.
        track_size: [T, 2] length, width [m].
        track_type: [T] index into `cache.TRACK_TYPES`.
        track_speed: [T] speed [m/s] that decides whether the track stands.
        origin: [2] of the local coordinates.
    """
    half = half_extents(np.asarray(track_size, np.float64))
    n_steps, n = track_pose.shape[:2]
    pose, sweep = np.empty((n, n_steps, 4)), np.empty((n, 4))
    _lay_tracks(np.array(track_pose, np.float64), half, origin, pose, sweep)
    is_agent = np.asarray(track_type) < N_AGENT_TYPES
    # The devkit asks the object as it was first seen, whatever it does later.
    is_stopped = ~is_agent | (np.asarray(track_speed) <= STOPPED_TRACK_SPEED)
    return Traffic(pose, sweep, np.column_stack([half, is_agent, is_stopped]))


@kernel
def _lay_tracks(
    global_pose: NDArray[np.float64],
    half: NDArray[np.float64],
    origin: NDArray[np.float64],
    pose: NDArray[np.float64],
    sweep: NDArray[np.float64],
) -> None:
    """Fill `pose` and `sweep` of `Traffic` from [S, T, 3]."""
    n_steps, n = global_pose.shape[0], global_pose.shape[1]
    for k in range(n):
        low_x, low_y, high_x, high_y = math.inf, math.inf, -math.inf, -math.inf
        for t in range(n_steps):
            x, y = global_pose[t, k, 0] - origin[0], global_pose[t, k, 1] - origin[1]
            heading = global_pose[t, k, 2]
            pose[k, t, 0], pose[k, t, 1] = x, y
            pose[k, t, 2], pose[k, t, 3] = math.cos(heading), math.sin(heading)
            if x == x:  # an absent track is NaN
                low_x, high_x = min(low_x, x), max(high_x, x)
                low_y, high_y = min(low_y, y), max(high_y, y)
        radius = math.hypot(half[k, 0], half[k, 1])
        sweep[k, 0], sweep[k, 1] = low_x - radius, low_y - radius
        sweep[k, 2], sweep[k, 3] = high_x + radius, high_y + radius


def make_grid(
    polygon_kind: NDArray[np.int8],
    polygon_on_route: NDArray[np.bool_],
    ring_xy: NDArray[np.float64],
    ring_start: NDArray[np.int32],
    polygon_ring_start: NDArray[np.int32],
    origin: NDArray[np.float64],
    center: NDArray[np.float64],
) -> Grid:
    """Raster of the map; arguments as in `SceneCache`, `center` [2] is the ego, local."""
    roles = _ROLES[polygon_kind]
    roles[(roles == grid.LANE) & polygon_on_route] |= grid.ROUTE
    return build_grid(
        np.array(ring_xy, np.float64),
        np.array(ring_start, np.int32),
        np.array(polygon_ring_start, np.int32),
        roles,
        origin,
        center,
    )


def make_centerline(
    centerline: NDArray[np.float64], origin: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Global centreline [K, 2 or 3] → local points [K, 2], arc length [K] [m], block bounds."""
    line = np.ascontiguousarray(centerline[:, :2] - origin)
    lengths = np.hypot(*np.diff(line, axis=0).T)
    return line, np.concatenate([[0.0], np.cumsum(lengths)]), bound_blocks(line)


def make_scenery(cache: SceneCache) -> Scenery:
    """The scenery of a scene cache, with the logged traffic."""
    origin = local_origin(cache.ego_state)
    raster = make_grid(
        cache.polygon_kind,
        cache.polygon_on_route,
        cache.ring_xy,
        cache.ring_start,
        cache.polygon_ring_start,
        origin,
        cache.ego_state[:2] - origin,
    )
    traffic = make_traffic(
        cache.track_pose, cache.track_size, cache.track_type, cache.track_speed, origin
    )
    return Scenery(origin, raster, traffic, *make_centerline(cache.centerline, origin))
