"""Which obstacles stand in the way: those that meet the strip the car would sweep along a path."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.ops import substring

from reworld_agent.pdm.cache import N_STEPS
from reworld_agent.pdm.forecast import SAMPLE_STEPS, Forecast
from reworld_agent.pdm.geometry import WIDTH

_TREE_NODE = 10
_HORIZON_S = 5.0
N_SAMPLES = (N_STEPS + 1) // SAMPLE_STEPS


class Hits(NamedTuple):
    """Obstacles in the corridor of each path at each forecast sample, in the devkit's order.

    Hits of path p of P at sample s: `obstacle[start[s * P + p] : start[s * P + p + 1]]`.
    """

    obstacle: NDArray[np.int64]
    start: NDArray[np.int64]  # [samples * P + 1]


def corridor(
    states: NDArray[np.float64], along: NDArray[np.float64], begin: float, top_speed: float
) -> shapely.Geometry:
    """The strip of the ego's width ahead of `begin` [m], as far as `top_speed` reaches in 5 s."""
    first = min(max(begin, 0.0), along[-1])
    last = min(max(begin + abs(top_speed) * _HORIZON_S, 0.0), along[-1])
    points = states[(first <= along) & (along <= last), :2]
    if len(points) > 1:
        line = shapely.LineString(points)
    else:
        line = substring(shapely.LineString(states[:, :2]), first, last)
    return line.buffer(WIDTH / 2, cap_style="square")


def find_hits(strips: list[shapely.Geometry], obstacles: Forecast) -> Hits:
    """Obstacles that are not ignored and meet each strip, sample by sample.

    Where several obstacles are equally near the first in the order of the tree's answer counts,
    so the trees are built as the devkit builds them.
    """
    counts = np.zeros((N_SAMPLES, len(strips)), np.int64)
    found = []
    for sample, shapes in enumerate(obstacles.shapes(N_SAMPLES)):
        strip, obstacle = shapely.STRtree(shapes, _TREE_NODE).query(strips, predicate="intersects")
        kept = ~obstacles.overlaps[obstacle]
        counts[sample] = np.bincount(strip[kept], minlength=len(strips))
        found.append(obstacle[kept])
    start = np.append(0, np.cumsum(counts))
    return Hits(np.concatenate(found), start)
