"""Nearest points on a polyline: the route's centreline, and the paths of PDM-Closed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper
from reworld_agent.pdm.world.geometry import square_distance

BLOCK = 8  # segments of the centreline that are skipped together


def bound_blocks(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Low x, low y, high x, high y of each `BLOCK` segments of the polyline [K, 2]."""
    first = np.arange(0, len(line) - 1, BLOCK)
    if not len(first):
        return np.empty((0, 4))
    start, end = line[:-1, :2], line[1:, :2]
    low = np.minimum.reduceat(np.minimum(start, end), first)
    return np.hstack([low, np.maximum.reduceat(np.maximum(start, end), first)])


@helper
def nearest_on_line(
    line: NDArray[np.float64], blocks: NDArray[np.float64], x: float, y: float
) -> tuple[float, int, float]:
    """Nearest point of the polyline [K, 2] to (x, y): distance [m], segment, place on it 0 … 1.

    The first of equally near segments wins. A block whose bounds are farther than the nearest
    point so far is skipped.
    """
    best, nearest, place = math.inf, 0, 0.0
    closest, start = math.inf, 0
    for b in range(len(blocks)):
        dx = max(blocks[b, 0] - x, x - blocks[b, 2], 0.0)
        dy = max(blocks[b, 1] - y, y - blocks[b, 3], 0.0)
        if dx * dx + dy * dy < closest:
            closest, start = dx * dx + dy * dy, b
    limit = math.inf  # from the most promising block; found again in order below
    for i in range(start * BLOCK, min((start + 1) * BLOCK, len(line) - 1)):
        square, _ = square_distance(x, y, line[i, 0], line[i, 1], line[i + 1, 0], line[i + 1, 1])
        limit = min(limit, square)
    for b in range(len(blocks)):
        dx = max(blocks[b, 0] - x, x - blocks[b, 2], 0.0)
        dy = max(blocks[b, 1] - y, y - blocks[b, 3], 0.0)
        if dx * dx + dy * dy > limit * (1.0 + 1e-9) + 1e-12:
            continue
        for i in range(b * BLOCK, min((b + 1) * BLOCK, len(line) - 1)):
            square, share = square_distance(
                x, y, line[i, 0], line[i, 1], line[i + 1, 0], line[i + 1, 1]
            )
            if square < best:
                best, nearest, place = square, i, share
    return math.sqrt(best), nearest, place


@helper
def project(
    line: NDArray[np.float64],
    arc: NDArray[np.float64],
    blocks: NDArray[np.float64],
    x: float,
    y: float,
) -> float:
    """Arc length [m] of the point of the polyline nearest to (x, y).

    Args:
        line: [K, 2] local [m].
        arc: [K] arc length [m] at its points.
        blocks: `bound_blocks(line)`.
        x, y: the point, local [m].
    """
    _, nearest, place = nearest_on_line(line, blocks, x, y)
    return arc[nearest] + place * (arc[nearest + 1] - arc[nearest])


def arc_length_at(line: NDArray[np.float64], arc: NDArray[np.float64], x: float, y: float) -> float:
    """`project` for one point, without compiled code and without blocks."""
    ax, ay = line[:-1, 0], line[:-1, 1]
    ux, uy = line[1:, 0] - ax, line[1:, 1] - ay
    square = ux * ux + uy * uy
    along = (x - ax) * ux + (y - ay) * uy
    share = np.clip(np.divide(along, square, out=np.zeros_like(along), where=square > 0.0), 0, 1)
    dx, dy = x - ax - share * ux, y - ay - share * uy
    nearest = int(np.argmin(dx * dx + dy * dy))
    return float(arc[nearest] + share[nearest] * (arc[nearest + 1] - arc[nearest]))
