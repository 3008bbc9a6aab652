"""Which obstacles stand in the way: those that meet the strip the car would sweep along a path."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.ops import substring

from reworld_agent.pdm.forecast import N_SAMPLES, Forecast
from reworld_agent.pdm.geometry import WIDTH

_TREE_NODE = 10
_HORIZON_S = 5.0


class Hits(NamedTuple):
    """Obstacles in the corridor of each path at each forecast sample, in the devkit's order.

    Hits of path p, sample s: `obstacle[start[p, s] : start[p, s + 1]]`.
    """

    obstacle: NDArray[np.int64]
    start: NDArray[np.int64]  # [paths, samples + 1]


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
    found: list[list[NDArray[np.int64]]] = [[] for _ in strips]
    for sample in range(N_SAMPLES):
        tree = shapely.STRtree(obstacles.shapes_at(sample), _TREE_NODE)
        for strip, answers in zip(strips, found, strict=True):
            hits = tree.query(strip, predicate="intersects")
            answers.append(hits[~obstacles.overlaps[hits]])
    counts = np.array([[len(hits) for hits in answers] for answers in found])
    ends = np.cumsum(counts).reshape(counts.shape)
    start = np.column_stack([ends - counts, ends[:, -1]])
    return Hits(np.concatenate([h for a in found for h in a]).astype(np.int64), start)
