"""Drivable area compliance (DAC), and where the ego stands: off the road, in several lanes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.scene_cache import N_STEPS
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y
from reworld_agent.pdm.world.geometry import (
    HALF_LENGTH,
    HALF_WIDTH,
    REAR_AXLE_TO_CENTER,
    offset,
    square_distance,
)
from reworld_agent.pdm.world.grid import DRIVABLE, Grid, lanes_at, mark_held, nearest_edge

CORNERS = ("front_left", "rear_left", "rear_right", "front_right")
N_CORNERS = 4


@helper
def find_offroad(
    grid: Grid,
    corners: NDArray[np.float64],
    on_road: NDArray[np.bool_],
    offroad: NDArray[np.bool_],
) -> tuple[int, int]:
    """Mark the steps at which some corner is in no drivable polygon.

    Args:
        grid: the map; roadblocks, intersections and carparks are drivable.
        corners: [41 · 4, 2] of the ego, local [m].
        on_road: [41 · 4], filled for each corner.
        offroad: [41], filled.

    Returns:
        First such step and its corner, or (-1, -1): then DAC = 1.
    """
    first_step, first_corner = -1, -1
    mark_held(grid, DRIVABLE, corners, on_road)
    for t in range(N_STEPS):
        offroad[t] = False
        for c in range(N_CORNERS):
            if not on_road[t * N_CORNERS + c]:
                offroad[t] = True
                if first_step < 0:
                    first_step, first_corner = t, c
    return first_step, first_corner


@helper
def in_several_lanes(
    grid: Grid,
    t: int,
    corners: NDArray[np.float64],
    found: NDArray[np.int64],
    held: NDArray[np.int64],
) -> bool:
    """Whether several lanes hold corners of the ego at step `t` and no lane holds all four.

    Args:
        grid: the map.
        t: step.
        corners: [41 · 4, 2] local [m].
        found: room for polygon numbers.
        held: [P] zeros, left as zeros.
    """
    n_lanes, whole = 0, False
    start = len(found) // 2  # the upper half remembers which counters to clear
    for c in range(N_CORNERS):
        x, y = corners[t * N_CORNERS + c, 0], corners[t * N_CORNERS + c, 1]
        for k in range(lanes_at(grid, x, y, found)):
            lane = found[k]
            if held[lane] == 0:
                found[start + n_lanes] = lane
                n_lanes += 1
            held[lane] += 1
            whole = whole or held[lane] == N_CORNERS
    for k in range(n_lanes):
        held[found[start + k]] = 0
    return n_lanes > 1 and not whole


@helper
def _distance_to_any(grid: Grid, x: float, y: float) -> tuple[float, int]:
    """`distance_outside` for any point: looks at all edges of polygons whose bounds are near."""
    best, nearest = math.inf, -1
    for p in range(len(grid.polygons)):
        dx = max(grid.bounds[p, 0] - x, x - grid.bounds[p, 2], 0.0)
        dy = max(grid.bounds[p, 1] - y, y - grid.bounds[p, 3], 0.0)
        if not grid.polygons[p, 0] & DRIVABLE or dx * dx + dy * dy >= best:
            continue
        for e in range(grid.polygons[p, 1], grid.polygons[p, 2]):
            ax, ay, bx, by = grid.edges[e, 0], grid.edges[e, 1], grid.edges[e, 2], grid.edges[e, 3]
            square, _ = square_distance(x, y, ax, ay, bx, by)
            if square < best:
                best, nearest = square, p
    return math.sqrt(best), nearest


@helper
def distance_outside(grid: Grid, x: float, y: float) -> tuple[float, int]:
    """Distance [m] of a point off the road to the nearest drivable polygon, and its number.

    Most points are close to the road that they leave: the raster knows the edges around them.
    The first of equally near polygons wins.
    """
    square, nearest = nearest_edge(grid, DRIVABLE, x, y)
    return (math.sqrt(square), nearest) if nearest >= 0 else _distance_to_any(grid, x, y)


@kernel
def distances_outside(
    grid: Grid,
    origin: NDArray[np.float64],
    states: NDArray[np.float64],
    where: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How far N candidates are off the road where they leave it first.

    Args:
        grid: the map.
        origin: [2] of the local coordinates.
        states: [N, 41, 11] global.
        where: [N, 2] step and corner, -1 for candidates that stay on the road.

    Returns:
        [N, 2] distance [m] to the nearest drivable polygon and its number, or -1.
    """
    out = np.empty((len(states), 2))
    for i in range(len(states)):
        out[i, 0], out[i, 1] = -1.0, -1.0
        if where[i, 0] >= 0:
            t, c = int(where[i, 0]), int(where[i, 1])
            lon = REAR_AXLE_TO_CENTER + (HALF_LENGTH if c % 3 == 0 else -HALF_LENGTH)
            lat = HALF_WIDTH if c < 2 else -HALF_WIDTH
            x, y = offset(states[i, t, X], states[i, t, Y], states[i, t, HEADING], lon, lat)
            distance, polygon = distance_outside(grid, x - origin[0], y - origin[1])
            out[i, 0], out[i, 1] = distance, polygon
    return out
