"""Distance between the ego box and any polygon; zero where they overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.world.geometry import distance_to_segment


@kernel
def box_to_polygon(
    box: NDArray[np.float64],
    xy: NDArray[np.float64],
    ring_start: NDArray[np.int64],
    first_ring: int,
    last_ring: int,
) -> float:
    """Distance [m] of a box to a polygon.

    Args:
        box: [5, 2] corners counter-clockwise, the first repeated at the end.
        xy, ring_start: vertices and rings (closed) of all polygons.
        first_ring, last_ring: the polygon's rings, `last_ring` excluded.
    """
    if overlaps(box, xy, ring_start, first_ring, last_ring):
        return 0.0
    best = np.inf
    for ring in range(first_ring, last_ring):
        for i in range(ring_start[ring], ring_start[ring + 1] - 1):
            for k in range(4):
                near = distance_to_segment(
                    box[k, 0], box[k, 1], xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1]
                )
                far = distance_to_segment(
                    xy[i, 0], xy[i, 1], box[k, 0], box[k, 1], box[k + 1, 0], box[k + 1, 1]
                )
                best = min(best, near, far)
    return best


@helper
def overlaps(
    box: NDArray[np.float64],
    xy: NDArray[np.float64],
    ring_start: NDArray[np.int64],
    first_ring: int,
    last_ring: int,
) -> bool:
    """Whether a box and a polygon share an area; arguments as in `box_to_polygon`."""
    for ring in range(first_ring, last_ring):
        for i in range(ring_start[ring], ring_start[ring + 1] - 1):
            for k in range(4):
                if _cross(box[k], box[k + 1], xy[i], xy[i + 1]):
                    return True
    start, end = ring_start[first_ring], ring_start[last_ring]
    return start < end and (
        _inside(box[0], xy, ring_start, first_ring, last_ring) or _in_box(xy[start], box)
    )


@helper
def _cross(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], d: NDArray[np.float64]
) -> bool:
    """Whether the segments a-b and c-d cross in their interiors."""
    ux, uy = b[0] - a[0], b[1] - a[1]
    vx, vy = d[0] - c[0], d[1] - c[1]
    c_side = ux * (c[1] - a[1]) - uy * (c[0] - a[0])
    d_side = ux * (d[1] - a[1]) - uy * (d[0] - a[0])
    a_side = vx * (a[1] - c[1]) - vy * (a[0] - c[0])
    b_side = vx * (b[1] - c[1]) - vy * (b[0] - c[0])
    return c_side * d_side < 0.0 and a_side * b_side < 0.0


@helper
def _inside(
    point: NDArray[np.float64],
    xy: NDArray[np.float64],
    ring_start: NDArray[np.int64],
    first_ring: int,
    last_ring: int,
) -> bool:
    """Even-odd rule over the polygon's rings."""
    odd = False
    x, y = point[0], point[1]
    for ring in range(first_ring, last_ring):
        for i in range(ring_start[ring], ring_start[ring + 1] - 1):
            ax, ay, bx, by = xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1]
            if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
                odd = not odd
    return odd


@helper
def _in_box(point: NDArray[np.float64], box: NDArray[np.float64]) -> bool:
    """Whether a point lies in the convex, counter-clockwise box [5, 2]."""
    for k in range(4):
        ux, uy = box[k + 1, 0] - box[k, 0], box[k + 1, 1] - box[k, 1]
        if ux * (point[1] - box[k, 1]) - uy * (point[0] - box[k, 0]) < 0.0:
            return False
    return True
