"""What a perfect eye would tell the planner of a scene, as tokens in the place of video states.

Route, lead vehicle, red light and the nearest objects at t0, of the scene cache: nothing of the
future is in them. Positions are in m in the ego's frame (rear axle, x forward, y left).

Shapes: K points of the centreline, T objects, N tokens, D width.
"""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import SceneCache

AHEAD = (0.0, 4.0, 8.0, 14.0, 22.0, 32.0, 45.0)  # m along the centreline
REACH = 60.0  # m: farther leads, lights and objects are as if they were not there
LANE = 1.6  # m from the centreline: what is nearer is in the ego's lane
NEAREST = 6
TOKENS = 3 + NEAREST
WIDTH = max(4 * len(AHEAD), 12)

Array = NDArray[np.float64]


def oracle_states(cache: SceneCache) -> NDArray[np.float32]:
    """Tokens [N, WIDTH] of about unit size: route, lead, light, then the NEAREST objects."""
    line = shapely.LineString(cache.centerline[:, :2])
    here = line.project(shapely.Point(cache.ego_state[:2]))
    tokens = np.zeros((TOKENS, WIDTH))
    tokens[0, : 4 * len(AHEAD)] = _route(cache, line, here)
    objects = _objects(cache)
    tokens[1, :4] = _lead(line, here, objects)
    tokens[2, :2] = _red_light(cache, line, here)
    order = np.argsort(np.hypot(*_local(cache, objects[:, :2]).T))[:NEAREST]
    for place, number in enumerate(order):
        tokens[3 + place, :12] = _object(cache, objects[number])
    return tokens.astype(np.float32)


def _local(cache: SceneCache, points: Array) -> Array:
    """Points [..., 2] of the global frame in the ego's."""
    x, y, heading = cache.ego_state[:3]
    dx, dy = points[..., 0] - x, points[..., 1] - y
    cos, sin = math.cos(heading), math.sin(heading)
    return np.stack([cos * dx + sin * dy, cos * dy - sin * dx], axis=-1)


def _route(cache: SceneCache, line: shapely.LineString, here: float) -> Array:
    """Place and direction of the centreline at AHEAD: lane offset and curvature."""
    arc = here + np.array(AHEAD)
    points = shapely.get_coordinates(shapely.line_interpolate_point(line, arc))
    later = shapely.get_coordinates(shapely.line_interpolate_point(line, arc + 1.0))
    local = _local(cache, points)
    along = _local(cache, later) - local
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    return np.hstack([local / 20.0, along]).ravel()


def _objects(cache: SceneCache) -> Array:
    """Present at t0: x, y, heading (global), length, width, speed, type [T, 7]."""
    pose = cache.track_pose[0]
    rows = np.column_stack(
        [pose, cache.track_size, cache.track_speed, cache.track_type.astype(np.float64)]
    )
    return rows[np.isfinite(pose).all(axis=1)]


def _lead(line: shapely.LineString, here: float, objects: Array) -> Array:
    """Whether something is ahead in the lane, its gap and speed, and its distance from the line."""
    found = np.array([0.0, 1.0, 0.0, 0.0])
    points = shapely.points(objects[:, :2])
    gap = shapely.line_locate_point(line, points) - here
    aside = shapely.distance(line, points)
    ahead = (gap > 0.5) & (gap < REACH) & (aside < LANE + objects[:, 4] / 2)
    if ahead.any():
        nearest = np.flatnonzero(ahead)[np.argmin(gap[ahead])]
        found = np.array(
            [1.0, gap[nearest] / REACH, objects[nearest, 5] / 10.0, aside[nearest] / 2.0]
        )
    return found


def _red_light(cache: SceneCache, line: shapely.LineString, here: float) -> Array:
    """Whether the route is red ahead at t0, and how far (a share of REACH)."""
    steps = np.arange(0.0, REACH, 1.0)
    points = shapely.points(
        shapely.get_coordinates(shapely.line_interpolate_point(line, here + steps))
    )
    found = np.array([0.0, 1.0])
    starts = cache.light_polygon_ring_start
    for number in np.flatnonzero(cache.light_red[0]) if len(cache.light_red) else ():
        ring = starts[number]
        first, last = cache.light_ring_start[ring], cache.light_ring_start[ring + 1]
        inside = shapely.contains(shapely.Polygon(cache.light_ring_xy[first:last]), points)
        if inside.any():
            found = np.array([1.0, min(found[1], steps[np.argmax(inside)] / REACH)])
    return found


def _object(cache: SceneCache, row: Array) -> Array:
    """Place, direction, size, velocity and kind of an object, in the ego's frame."""
    heading = row[2] - cache.ego_state[2]
    place = _local(cache, row[:2])
    cos, sin = math.cos(heading), math.sin(heading)
    kinds = np.zeros(4)
    kinds[min(int(row[6]), 3)] = 1.0
    own = [*place / 20.0, cos, sin, row[3] / 5.0, row[4] / 2.0, row[5] * cos / 10.0]
    return np.array([*own, row[5] * sin / 10.0, *kinds])
