"""Where a failure happens: the kinds of situation, and questions about the scene around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import INTERSECTION, SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y

Array = NDArray[np.float64]

# Mechanisms: the kind of situation that the planner did not master, from geometry alone.
LEAD, CROSS, ONCOMING = "lead vehicle", "cross traffic", "oncoming"
WALKER, STATIC, LANE_CHANGE = "vulnerable road user", "static object", "lane change"
CURVE, JUNCTION, DRIFT = "kerb on curve", "junction overrun", "drift off a straight road"
STANDSTILL, SLOW, OFF_ROUTE = "standstill", "too slow", "off the route"
HARSH_START, HARSH, HARSH_PAST = "harsh start", "harsh driving", "rough logged past"
WRONG_LANE, RED_LIGHT, OFF_CENTRE = "off the route's lanes", "red light", "off the lane's centre"

_BEND_M = 10.0  # past the place up to which a bend is looked for


def in_junction(cache: SceneCache, point: Array) -> bool:
    """Whether a global point [2] lies in an intersection of the map (even-odd rule)."""
    return bool(inside(cache, cache.polygon_kind == INTERSECTION, point[None])[0])


def inside(cache: SceneCache, chosen: NDArray[np.bool_], points: Array) -> NDArray[np.bool_]:
    """Which global points [n, 2] lie in any of the chosen [P] polygons of the map."""
    found = np.zeros(len(points), np.bool_)
    for polygon in np.flatnonzero(chosen):
        first, last = cache.polygon_ring_start[polygon : polygon + 2]
        crossings = np.zeros(len(points), np.int64)
        for ring in range(first, last):
            corners = cache.ring_xy[cache.ring_start[ring] : cache.ring_start[ring + 1]]
            crossings += _crossings(corners, points)
        found |= crossings % 2 == 1
    return found


def _crossings(ring: Array, points: Array) -> NDArray[np.int64]:
    """Edges of a ring [v, 2] that a ray from each point [n, 2] along +x crosses, [n]."""
    start, end = ring, np.roll(ring, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    spans = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(start[:, 1] == end[:, 1], 1.0, end[:, 1] - start[:, 1])
    share = (y - start[:, 1]) / rise
    right = start[:, 0] + share * (end[:, 0] - start[:, 0]) > x
    crossings: NDArray[np.int64] = (spans & right).sum(axis=1)
    return crossings


def route_turn(cache: SceneCache, start: Array, end: Array) -> float:
    """How much [rad] the route's centreline turns from one global point to 10 m past another."""
    line = cache.centerline
    arc = np.concatenate([[0.0], np.hypot(*np.diff(line[:, :2], axis=0).T).cumsum()])
    first, last = (arc[np.argmin(np.hypot(*(line[:, :2] - point).T))] for point in (start, end))
    between = (arc >= min(first, last)) & (arc <= max(first, last) + _BEND_M)
    return float(np.ptp(np.unwrap(line[between, 2])))


def route_offset(cache: SceneCache, point: Array) -> float:
    """Distance [m] of a global point left of the route's centreline."""
    nearest = cache.centerline[np.argmin(np.hypot(*(cache.centerline[:, :2] - point).T))]
    apart = point - nearest[:2]
    return float(apart[1] * np.cos(nearest[2]) - apart[0] * np.sin(nearest[2]))


def gap_ahead(cache: SceneCache, states: Array) -> float:
    """Distance [m] from the ego at 4 s to the next thing within its width; inf where free."""
    ego, poses = states[-1], cache.track_pose[len(states) - 1]
    apart = poses[:, :2] - ego[[X, Y]]
    cos, sin = np.cos(ego[HEADING]), np.sin(ego[HEADING])
    ahead, left = apart @ [cos, sin], apart @ [-sin, cos]
    blocking = ahead[(ahead > 0.0) & (np.abs(left) < 1.75)]
    return float(blocking.min()) if len(blocking) else np.inf
