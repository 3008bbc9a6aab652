"""Which obstacles stand in the way: those that meet the strip the car would sweep along a path."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.ops import substring

from reworld_agent.pdm.pdm_closed.forecast import Forecast
from reworld_agent.pdm.pdm_closed.proposals import SAMPLE_STEPS, Hits
from reworld_agent.pdm.scene_cache import N_STEPS
from reworld_agent.pdm.world.geometry import WIDTH

_TREE_NODE = 10
_HORIZON_S = 5.0
N_SAMPLES = (N_STEPS + 1) // SAMPLE_STEPS


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
    """Obstacles that are not ignored and meet each strip, sample by sample, in their own order."""
    n = len(obstacles.corners)
    corners = obstacles.corners_at(N_SAMPLES)
    low, high = corners.min(axis=2), corners.max(axis=2)
    bounds = np.array([strip.bounds for strip in strips])
    near = (low <= bounds[:, 2:].max(axis=0)) & (high >= bounds[:, :2].min(axis=0))
    sample, obstacle = np.nonzero(near.all(axis=2) & ~obstacles.overlaps[:n])
    boxes = shapely.polygons(corners[sample, obstacle])
    meets = np.zeros((N_SAMPLES, len(strips), len(obstacles.overlaps)), np.bool_)
    shapely.prepare(strips)
    for p, strip in enumerate(strips):
        meets[sample, p, obstacle] = shapely.intersects(strip, boxes)
        meets[:, p, n:] = shapely.intersects(strip, obstacles.lights) & ~obstacles.overlaps[n:]
    counts = meets.sum(axis=2)
    return Hits(np.nonzero(meets)[2].copy(), np.append(0, np.cumsum(counts)))


def in_tree_order(strips: list[shapely.Geometry], obstacles: Forecast) -> Hits:
    """The same as `find_hits`, each group in the order in which the devkit's trees answer.

    It matters where several obstacles are equally near; only then is it worth its time.
    """
    counts = np.zeros((N_SAMPLES, len(strips)), np.int64)
    found = []
    for sample, corners in enumerate(obstacles.corners_at(N_SAMPLES)):
        shapes = np.concatenate([shapely.polygons(corners), obstacles.lights])
        strip, obstacle = shapely.STRtree(shapes, _TREE_NODE).query(strips, predicate="intersects")
        kept = ~obstacles.overlaps[obstacle]
        counts[sample] = np.bincount(strip[kept], minlength=len(strips))
        found.append(obstacle[kept])
    return Hits(np.concatenate(found), np.append(0, np.cumsum(counts)))
