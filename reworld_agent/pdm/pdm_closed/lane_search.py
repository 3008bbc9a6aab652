"""The lanes to follow along a route, and the centreline that they make."""

from __future__ import annotations

import heapq

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.pdm_closed.route import heading_error
from reworld_agent.pdm.world.drivable import DrivableMap, shapes
from reworld_agent.pdm.world.ego_box import ego_center, ego_polygon
from reworld_agent.scenes.maps.city import LANE, LANE_CONNECTOR, CityMap

_TREE_NODE = 10
_BLOCKS_AHEAD = 30


def route_lanes(route: list[int], city: CityMap) -> list[int]:
    """All lanes and lane connectors of the route's blocks, in the route's order."""
    return list(dict.fromkeys(lane for block in route for lane in city.graph.lanes_of(block)))


def starting_lane(
    pose: NDArray[np.float64], on_route: list[int], ground: DrivableMap, city: CityMap
) -> int:
    """The lane of the route in which the car starts.

    Args:
        pose: [3] global rear axle x, y [m], heading [rad].
        on_route: lanes of the route.
        ground: the drivable map around the car.
        city: the map of both.

    Raises:
        SceneError: the route has no lanes.
    """
    if not on_route:
        raise SceneError("the route has no lanes", "check the map's lane layers")
    nearby = set(on_route).intersection(ground.identity)
    lanes = [lane for lane in on_route if lane in nearby]
    polygons = np.array([city.lane_polygon(lane) for lane in lanes], np.object_)
    around = shapely.intersects(polygons, shapely.Point(pose[0], pose[1]))
    lanes = [lane for lane, hit in zip(lanes, around, strict=True) if hit]
    if not lanes:
        return _nearest_lane(pose, on_route, city)
    city.preload_baselines(lanes)
    errors = {lane: _error_on(lane, pose, city) for lane in lanes}
    best = [lane for lane in lanes if errors[lane] == min(errors.values())]
    return best[0] if len(best) == 1 else _first_in_tree(pose, best, ground, city)


def _first_in_tree(
    pose: NDArray[np.float64], lanes: list[int], ground: DrivableMap, city: CityMap
) -> int:
    """The lane that the devkit's tree of the drivable map names first: it wins among equals."""
    tree = shapely.STRtree(shapes(ground, city), _TREE_NODE)
    hits = tree.query(shapely.Point(pose[0], pose[1]), predicate="intersects")
    return next(ground.identity[i] for i in hits if ground.identity[i] in lanes)


def _error_on(lane: int, pose: NDArray[np.float64], city: CityMap) -> float:
    states = city.baseline(lane).states
    distances = ((pose[None, :2] - states[:, :2]) ** 2).sum(axis=-1) ** 0.5
    return heading_error(states[int(np.argmin(distances)), 2], pose[2])


def _nearest_lane(pose: NDArray[np.float64], on_route: list[int], city: CityMap) -> int:
    """The first lane that holds the ego centre, else the one nearest to the ego box."""
    lanes = city.graph.lanes
    city.preload(LANE, [lane for lane in on_route if lane in lanes])
    city.preload(LANE_CONNECTOR, [lane for lane in on_route if lane not in lanes])
    polygons = np.array([city.lane_polygon(lane) for lane in on_route], np.object_)
    center = ego_center(pose)
    holds = shapely.contains(polygons, shapely.Point(center[0], center[1]))
    if holds.any():
        return on_route[int(np.argmax(holds))]
    return on_route[int(np.argmin(shapely.distance(polygons, ego_polygon(pose))))]


def centerline(start: int, route: list[int], on_route: list[int], city: CityMap) -> list[int]:
    """Lanes from `start` to the end of the route (at most 30 blocks on), shortest by length."""
    block = city.graph.block_of(start)
    first = route.index(block) if block in route else 0
    city.preload_baselines(on_route)
    return search_lanes(start, route[first:][:_BLOCKS_AHEAD][-1], set(on_route), city)


def centerline_states(lanes: list[int], city: CityMap) -> NDArray[np.float64]:
    """[K, 3] x, y [m], heading [rad] (global) of the lanes' middle lines, one after the other."""
    return np.concatenate([city.baseline(lane).states for lane in lanes])


def search_lanes(start: int, target_block: int, allowed: set[int], city: CityMap) -> list[int]:
    """Dijkstra over lanes, the cost of a step being the length of the lane entered.

    Where the target block is out of reach: the way to the deepest lane, of these the nearest.

    Returns:
        The lanes from `start` on.
    """
    graph = city.graph
    parent: dict[int, int | None] = {start: None}
    cost, depth, order = {start: 1.0}, {start: 1}, {start: 0}  # a start costs 1, in the devkit too
    frontier = [(1.0, 0, start)]
    expanded: list[int] = []
    while frontier:
        so_far, _, lane = heapq.heappop(frontier)
        if lane not in order or so_far > cost[lane]:
            continue  # a dearer entry of a lane that was reached again
        if graph.block_of(lane) == target_block:
            return _way_to(lane, parent)
        del order[lane]
        expanded.append(lane)
        for following in graph.lanes_after(lane):
            if following not in allowed:
                continue
            total = so_far + city.baseline(following).length
            if following in order:
                if not total < cost[following]:
                    continue
            elif following in cost:
                continue
            else:
                order[following] = len(parent)
            parent[following], cost[following] = lane, total
            depth[following] = depth[lane] + 1
            heapq.heappush(frontier, (total, order[following], following))
    # Out of reach: not the way that ends nearest to the target, but the one with most lanes.
    deepest = max(depth[lane] for lane in expanded)
    ends = [lane for lane in expanded if depth[lane] == deepest]
    return _way_to(min(ends, key=lambda lane: cost[lane]), parent)


def _way_to(lane: int, parent: dict[int, int | None]) -> list[int]:
    way = [lane]
    while (before := parent[way[-1]]) is not None:
        way.append(before)
    return way[::-1]
