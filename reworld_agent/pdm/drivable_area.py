"""Drivable area compliance (DAC), and where the ego stands: off the road, in several lanes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.cache import N_STEPS
from reworld_agent.pdm.geometry import distance_to_segment
from reworld_agent.pdm.grid import Grid, holders
from reworld_agent.pdm.kernel import kernel

N_CORNERS = 4


@kernel
def find_offroad(
    drivable: Grid,
    corners: NDArray[np.float64],
    found: NDArray[np.int64],
    offroad: NDArray[np.bool_],
) -> tuple[int, int]:
    """Mark the steps at which some corner is in no drivable polygon.

    Args:
        drivable: roadblocks, intersections, carparks.
        corners: [41, 4, 2] of the ego, local [m].
        found: room for polygon numbers.
        offroad: [41], filled.

    Returns:
        First such step and its corner, or (-1, -1): then DAC = 1.
    """
    first_step, first_corner = -1, -1
    for t in range(N_STEPS):
        offroad[t] = False
        for c in range(N_CORNERS):
            if holders(drivable, corners[t, c, 0], corners[t, c, 1], found, True) == 0:
                offroad[t] = True
                if first_step < 0:
                    first_step, first_corner = t, c
                break
    return first_step, first_corner


@kernel
def in_several_lanes(
    lanes: Grid, corners: NDArray[np.float64], found: NDArray[np.int64], held: NDArray[np.int64]
) -> bool:
    """Whether several lanes hold corners of the ego and no lane holds all four.

    Args:
        lanes: lanes and lane connectors.
        corners: [4, 2] local [m].
        found: room for polygon numbers.
        held: [P] zeros, left as zeros.
    """
    n_lanes, whole = 0, False
    start = len(found) // 2  # the upper half remembers which counters to clear
    for c in range(N_CORNERS):
        for k in range(holders(lanes, corners[c, 0], corners[c, 1], found, False)):
            lane = found[k]
            if held[lane] == 0:
                found[start + n_lanes] = lane
                n_lanes += 1
            held[lane] += 1
            whole = whole or held[lane] == N_CORNERS
    for k in range(n_lanes):
        held[found[start + k]] = 0
    return n_lanes > 1 and not whole


@kernel
def distance_outside(grid: Grid, x: float, y: float) -> tuple[float, int]:
    """Distance [m] of a point outside all members to the nearest one, and its number (or -1)."""
    best, nearest = math.inf, -1
    for p in grid.members:
        dx = max(grid.bounds[p, 0] - x, x - grid.bounds[p, 2], 0.0)
        dy = max(grid.bounds[p, 1] - y, y - grid.bounds[p, 3], 0.0)
        if dx * dx + dy * dy >= best * best:
            continue
        for e in range(grid.edge_start[p], grid.edge_start[p + 1]):
            edge = grid.edges[e]
            distance = distance_to_segment(x, y, edge[0], edge[1], edge[2], edge[3])
            if distance < best:
                best, nearest = distance, p
    return best, nearest
