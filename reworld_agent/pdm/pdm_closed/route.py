"""Repairing a logged route: the list of blocks (roadblocks and their connectors) to drive along.

The logged list may start elsewhere, have gaps or run in a loop. PDM-Closed (Dauner et al. 2023)
joins it to the block where the car is, fills gaps by breadth-first search, and cuts loops.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.pdm_closed.block_search import search_blocks
from reworld_agent.scenes.maps.city import ROADBLOCK, ROADBLOCK_CONNECTOR, CityMap

_MAX_HEADING_ERROR = math.pi / 4
_MAX_DISTANCE = 3.0  # m
_DEPTH_BACKWARD = 15
_DEPTH_FORWARD = 30
_TARGETS_AHEAD = 3  # first blocks of the route that a forward search aims at
_LOOP_AREA = 1.0  # m², overlap of two connectors that makes a loop


class _Fit(NamedTuple):
    """How well the ego pose fits to one lane."""

    block: int
    distance: float
    heading_error: float

    @property
    def good(self) -> bool:
        return self.heading_error < _MAX_HEADING_ERROR and self.distance < _MAX_DISTANCE


def correct_route(route: list[int], pose: NDArray[np.float64], city: CityMap) -> list[int]:
    """The route repaired for a car at `pose` (x, y [m], heading [rad], global rear axle)."""
    start, candidates = _current_block(route, pose, city)
    if start not in route:
        route = _joined_to(route, start, candidates, city)
    route = _without_gaps(route, city)
    return list(dict.fromkeys(_without_loop(route, city)))


def _current_block(
    route: list[int], pose: NDArray[np.float64], city: CityMap
) -> tuple[int, list[int]]:
    """The block where the car most likely is, and all blocks where it may be."""
    x, y = float(pose[0]), float(pose[1])
    kinds = (ROADBLOCK, ROADBLOCK_CONNECTOR)
    nearby = [block for kind in kinds for block in city.near(kind, x, y, 1.0)]
    if not nearby:
        nearest = [city.nearest(kind, x, y) for kind in kinds]
        nearby = [block for block in nearest if block is not None]
    if not nearby:
        raise SceneError(f"{city.path}: the map has no roads", "download the city's map again")
    city.preload_baselines([lane for block in nearby for lane in city.graph.lanes_of(block)])
    fits = [
        _lane_fit(block, lane, pose, city)
        for block in nearby
        for lane in city.graph.lanes_of(block)
    ]
    good = [fit for fit in fits if fit.good]
    on_route = [fit for fit in good if fit.block in route]
    chosen = on_route or good  # a block of the route goes before a nearer one off it
    if chosen:
        return min(chosen, key=lambda fit: fit.distance).block, [fit.block for fit in chosen]
    distances = [min((f.distance for f in fits if f.block == b), default=math.inf) for b in nearby]
    return nearby[int(np.argmin(distances))], nearby


def _lane_fit(block: int, lane: int, pose: NDArray[np.float64], city: CityMap) -> _Fit:
    states = city.baseline(lane).states
    distances = ((states[:, :2] - pose[None, :2]) ** 2.0).sum(axis=-1) ** 0.5
    nearest = int(np.argmin(distances))
    return _Fit(block, float(distances[nearest]), heading_error(states[nearest, 2], pose[2]))


def heading_error(heading: float, other: float) -> float:
    """Unsigned difference [rad] of two headings, in [0, π]."""
    difference = heading - other
    return abs(math.atan2(math.sin(difference), math.cos(difference)))


def _joined_to(route: list[int], start: int, candidates: list[int], city: CityMap) -> list[int]:
    """The route extended back to where the car is, or entered further ahead."""
    # Backwards from the route to ANY block where the car may be, not to the likeliest.
    back = search_blocks(route[0], candidates, city.graph.blocks_before, _DEPTH_BACKWARD)
    if back is not None:
        return back[::-1][:-1] + route
    ahead = search_blocks(start, route[:_TARGETS_AHEAD], city.graph.blocks_after, _DEPTH_FORWARD)
    if ahead is not None:
        return ahead + route[route.index(ahead[-1]) + 1 :]
    return route


def _without_gaps(route: list[int], city: CityMap) -> list[int]:
    """The route with the shortest link put between neighbours that do not follow each other."""
    if not route:
        return route
    filled = route[:1]
    for block, following in pairwise(route):
        if block not in city.graph.blocks_before(following):
            link = search_blocks(block, [following], city.graph.blocks_after, _DEPTH_FORWARD)
            if link is not None:
                filled += link[1:-1]
        filled.append(following)
    return filled


def _without_loop(route: list[int], city: CityMap) -> list[int]:
    """The route up to the first connector that overlaps an earlier one."""
    connectors = [block for block in route if block not in city.graph.roadblocks]
    city.preload(ROADBLOCK_CONNECTOR, connectors)
    earlier: dict[int, shapely.Geometry] = {}
    for i, block in enumerate(route):
        if block in city.graph.roadblocks:
            continue
        polygon = city.block_polygon(block)
        others = np.array(list(earlier.values()), np.object_)
        # The devkit asks `if loop_idx`, which a loop at index 0 would pass unseen; there is none:
        # the first connector has no other before it.
        if len(others) and _overlaps(polygon, others):
            return route[:i]
        earlier[block] = polygon
    return route


def _overlaps(polygon: shapely.Geometry, others: NDArray[np.object_]) -> bool:
    x_min, y_min, x_max, y_max = shapely.bounds(polygon)
    bounds = shapely.bounds(others)
    near = (bounds[:, 0] <= x_max) & (bounds[:, 2] >= x_min)
    near &= (bounds[:, 1] <= y_max) & (bounds[:, 3] >= y_min)
    if not near.any():
        return False
    overlap = shapely.area(shapely.intersection(others[near], polygon))
    return bool((overlap > _LOOP_AREA).any())
