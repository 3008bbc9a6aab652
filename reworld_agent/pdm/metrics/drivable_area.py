"""Drivable area compliance (DAC), and where the ego stands: off the road, in several lanes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.metrics.definition.metric import (
    BRAKE,
    EARLIER,
    SHIFT,
    SMOOTH,
    SPEED,
    Explainer,
    Failure,
    FailureAnnotation,
    Trace,
)
from reworld_agent.pdm.metrics.raw_columns import RAW, Raw
from reworld_agent.pdm.metrics.records import Names, Records, index, padded, seconds
from reworld_agent.pdm.metrics.situations import (
    CURVE,
    DRIFT,
    JUNCTION,
    LANE_CHANGE,
    in_junction,
    route_offset,
    route_turn,
)
from reworld_agent.pdm.scene_cache import N_STEPS, SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y
from reworld_agent.pdm.world.ego_frame import ego_box, poses_to_ego
from reworld_agent.pdm.world.geometry import (
    HALF_LENGTH,
    HALF_WIDTH,
    REAR_AXLE_TO_CENTER,
    offset,
    square_distance,
)
from reworld_agent.pdm.world.grid import DRIVABLE, Grid, lanes_at, mark_held, nearest_edge
from reworld_agent.pdm.world.margins import ego_corners, road_margin

CORNERS = ("front_left", "rear_left", "rear_right", "front_right")
N_CORNERS = 4
_CORNERS = padded(CORNERS)
_BEND_RAD = math.radians(6.0)
_LANE_CHANGE_M = 1.5
_PLACES = {
    "roadblock": "road",
    "lane": "lane",
    "lane_connector": "turning lane",
    "intersection": "junction",
    "carpark": "car park",
}


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
    raw: NDArray[np.float64],
) -> None:
    """How far N candidates are off the road where they leave it first.

    Args:
        grid: the map.
        origin: [2] of the local coordinates.
        states: [N, 41, 11] global.
        raw: [N, N_RAW] of `score_states`; its columns `dac_distance` and `dac_polygon` are
            filled for candidates that leave the road.
    """
    for i in range(len(states)):
        if raw[i, RAW.dac_step] >= 0:
            t, c = int(raw[i, RAW.dac_step]), int(raw[i, RAW.dac_corner])
            lon = REAR_AXLE_TO_CENTER + (HALF_LENGTH if c % 3 == 0 else -HALF_LENGTH)
            lat = HALF_WIDTH if c < 2 else -HALF_WIDTH
            x, y = offset(states[i, t, X], states[i, t, Y], states[i, t, HEADING], lon, lat)
            distance, polygon = distance_outside(grid, x - origin[0], y - origin[1])
            raw[i, RAW.dac_distance], raw[i, RAW.dac_polygon] = distance, polygon


def records(raw: Raw, names: Names) -> Records:
    """When and with which corner the road is left, how far outside, and beside which polygon."""
    on_road = raw["dac_step"] < 0
    return {
        "failure_time_s": seconds(raw["dac_step"]),
        "corner": _CORNERS[index(raw["dac_corner"])],
        "polygon_kind": names.polygon_kind[index(raw["dac_polygon"])],
        "distance_outside_m": np.where(on_road, np.nan, raw["dac_distance"]),
    }


def _attributes(failure: Failure) -> dict[str, Any]:
    kind, time = failure.record("polygon_kind"), failure.record("failure_time_s")
    return {
        "detail": failure.record("corner"),
        "near": kind,
        "distance_outside_m": failure.record("distance_outside_m"),
        "mechanism": mechanism(failure.cache, failure.states, time, kind),
    }


def mechanism(
    cache: SceneCache, states: NDArray[np.float64], time_s: float, polygon_kind: str
) -> str:
    """Mechanism of leaving the road at `time_s` of simulated states [41, 11].

    In or beside an intersection: junction overrun; where the route turned by 6° or more: kerb on
    curve; on a straight, a drive that ends 1.5 m or more beside its line: lane change; else drift.
    """
    place = states[round(time_s * 10), [X, Y]]
    if polygon_kind == "intersection" or in_junction(cache, place):
        return JUNCTION
    if route_turn(cache, states[0, [X, Y]], place) > _BEND_RAD:
        return CURVE
    moved = route_offset(cache, states[-1, [X, Y]]) - route_offset(cache, states[0, [X, Y]])
    return LANE_CHANGE if abs(moved) > _LANE_CHANGE_M else DRIFT


def _sentence(row: Mapping[str, Any]) -> str:
    corner, kind, time = row["detail"], row["near"], row["failure_time_s"]
    place = _PLACES.get(kind, "road")
    outside = row["distance_outside_m"]
    far = f", {max(outside, 0.01):.2f} m outside the {place}" if math.isfinite(outside) else ""
    return f"the {corner.replace('_', ' ')} corner left the road at {time:.1f} s{far}"


def _annotate(
    annotation: FailureAnnotation,
    cache: SceneCache,
    states: NDArray[np.float64],
    row: Mapping[str, Any],
) -> FailureAnnotation:
    pose = poses_to_ego(states[annotation.step, [X, Y, HEADING]], cache.ego_state[:3])
    corner = str(row["detail"])
    point = ego_box(pose)[CORNERS.index(corner)]
    return replace(annotation, text=f"{corner.replace('_', ' ')} corner", point=point)


def _trace(cache: SceneCache, states: NDArray[np.float64]) -> Trace:
    corners = ego_corners(states[:, [X, Y, HEADING]])
    margin = road_margin(cache, corners.reshape(-1, 2)).reshape(-1, N_CORNERS).min(axis=1)
    return Trace(margin, "outermost corner inside the drivable area", "m", bound=0.0)


EXPLAINER = Explainer(
    _attributes, _sentence, (SHIFT, SPEED, EARLIER, BRAKE, SMOOTH), _annotate, _trace
)
