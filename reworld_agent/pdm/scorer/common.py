"""All metrics of simulated states in one compiled pass, without any object of Python.

`score_states` scores states in any scenery: the logged traffic for a planner's score, or
PDM-Closed's own forecast when it chooses among its proposals.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.metrics.collision import (
    ACTIVE_FRONT,
    ACTIVE_LATERAL,
    EGO_COS,
    EGO_SIN,
    EGO_SPEED,
    EGO_X,
    EGO_Y,
    N_EGO,
    STOPPED_TRACK,
    collision_type,
    first_contact,
)
from reworld_agent.pdm.metrics.comfort import N_QUANTITIES, comfort_signals, first_discomfort
from reworld_agent.pdm.metrics.direction import direction_score
from reworld_agent.pdm.metrics.drivable_area import N_CORNERS, find_offroad, in_several_lanes
from reworld_agent.pdm.metrics.raw_columns import N_RAW, RAW
from reworld_agent.pdm.metrics.ttc import (
    AHEAD,
    BESIDE,
    HORIZON_S,
    PROJECTION_STEPS,
    first_threat,
    side,
)
from reworld_agent.pdm.scene_cache import N_STEPS
from reworld_agent.pdm.simulate.bicycle import HEADING, VX, VY, X, Y
from reworld_agent.pdm.world.geometry import HALF_LENGTH, HALF_WIDTH, RADIUS, REAR_AXLE_TO_CENTER
from reworld_agent.pdm.world.grid import INTERSECTION, ROUTE, Grid, mark_held
from reworld_agent.pdm.world.polyline import project
from reworld_agent.pdm.world.scenery import IS_AGENT, Scenery, Traffic


@helper
def _place(
    states: NDArray[np.float64],
    origin: NDArray[np.float64],
    ego: NDArray[np.float64],
    rear: NDArray[np.float64],
    corners: NDArray[np.float64],
    centers: NDArray[np.float64],
) -> None:
    """States [41, 11] → ego boxes [41, 5], rear axles, corners [41 · 4, 2], centres, all local."""
    for t in range(len(states)):
        cos, sin = math.cos(states[t, HEADING]), math.sin(states[t, HEADING])
        # Rounded in global coordinates, where the devkit computes; the origin has whole metres, so
        # that nothing is lost when it is taken off.
        x = states[t, X] + REAR_AXLE_TO_CENTER * cos
        y = states[t, Y] + REAR_AXLE_TO_CENTER * sin
        rear[t, 0], rear[t, 1] = states[t, X] - origin[0], states[t, Y] - origin[1]
        ego[t, EGO_X], ego[t, EGO_Y] = x - origin[0], y - origin[1]
        centers[t, 0], centers[t, 1] = ego[t, EGO_X], ego[t, EGO_Y]
        ego[t, EGO_COS], ego[t, EGO_SIN] = cos, sin
        vx, vy = states[t, VX], states[t, VY]
        ego[t, EGO_SPEED] = abs(vx) if vy == 0.0 else math.hypot(vx, vy)
        for c in range(N_CORNERS):
            lon = HALF_LENGTH if c == 0 or c == N_CORNERS - 1 else -HALF_LENGTH
            lat = HALF_WIDTH if c < 2 else -HALF_WIDTH
            corners[t * N_CORNERS + c, 0] = (x + (lon * cos - lat * sin)) - origin[0]
            corners[t * N_CORNERS + c, 1] = (y + (lon * sin + lat * cos)) - origin[1]


@helper
def _reach(ego: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Low x, low y, high x, high y of all that the ego [41, 5] and its projections can touch."""
    low_x, low_y, high_x, high_y, margin = math.inf, math.inf, -math.inf, -math.inf, 0.0
    for t in range(len(ego)):
        low_x, high_x = min(low_x, ego[t, EGO_X]), max(high_x, ego[t, EGO_X])
        low_y, high_y = min(low_y, ego[t, EGO_Y]), max(high_y, ego[t, EGO_Y])
        margin = max(margin, RADIUS + HORIZON_S * ego[t, EGO_SPEED])
    return low_x - margin, low_y - margin, high_x + margin, high_y + margin


@helper
def _is_astray(
    grid: Grid,
    t: int,
    offroad: NDArray[np.bool_],
    corners: NDArray[np.float64],
    found: NDArray[np.int64],
    held: NDArray[np.int64],
) -> bool:
    """Whether the ego is off the road or in several lanes at step `t`."""
    return offroad[t] or in_several_lanes(grid, t, corners, found, held)


@helper
def _score_contacts(
    grid: Grid,
    traffic: Traffic,
    ego: NDArray[np.float64],
    rear: NDArray[np.float64],
    corners: NDArray[np.float64],
    offroad: NDArray[np.bool_],
    found: NDArray[np.int64],
    held: NDArray[np.int64],
    flag: NDArray[np.bool_],
    last_ttc_step: int,
    out: NDArray[np.float64],
) -> None:
    """NC and TTC against every track that comes near; fills their columns of `out` [N_RAW]."""
    pose, traits, sweep = traffic.pose, traffic.traits, traffic.sweep
    low_x, low_y, high_x, high_y = _reach(ego)
    for k in range(len(sweep)):
        if (
            sweep[k, 0] > high_x
            or sweep[k, 2] < low_x
            or sweep[k, 1] > high_y
            or sweep[k, 3] < low_y
        ):
            continue
        # The devkit walks through time and mutes a track after a contact without fault. One with
        # fault costs the same again and again. So a track's first contact decides.
        t = first_contact(pose, k, traits[k, 0], traits[k, 1], ego)
        if t >= 0:
            kind = collision_type(traffic, k, t, ego, rear)
            if kind in (STOPPED_TRACK, ACTIVE_FRONT) or (
                kind == ACTIVE_LATERAL and _is_astray(grid, t, offroad, corners, found, held)
            ):
                out[RAW.nc] = min(out[RAW.nc], 0.0 if traits[k, IS_AGENT] else 0.5)
                if out[RAW.nc_step] < 0 or t < out[RAW.nc_step]:
                    out[RAW.nc_step], out[RAW.nc_track], out[RAW.nc_type] = t, k, kind
        # As above: a track that is no threat at its first projected contact is muted for good.
        t, i = first_threat(pose, k, traits[k, 0], traits[k, 1], ego, last_ttc_step)
        if t >= 0:
            # The object is where it will be, the ego where it is now: the devkit moves only the box
            # forward, not the rear axle from which it looks.
            s = t + i * PROJECTION_STEPS
            dx, dy = pose[k, s, 0] - rear[t, 0], pose[k, s, 1] - rear[t, 1]
            where = side(dx, dy, ego[t, EGO_COS], ego[t, EGO_SIN])
            threat = where == AHEAD
            if where == BESIDE:  # counts on an intersection and wherever a lateral contact would
                mark_held(grid, INTERSECTION, rear[t : t + 1], flag)
                threat = flag[0] or _is_astray(grid, t, offroad, corners, found, held)
            if threat:
                out[RAW.ttc] = 0.0
                if out[RAW.ttc_step] < 0 or t < out[RAW.ttc_step]:
                    out[RAW.ttc_step], out[RAW.ttc_track], out[RAW.ttc_side] = t, k, where


@kernel
def score_states(
    states: NDArray[np.float64], scenery: Scenery, last_ttc_step: int
) -> NDArray[np.float64]:
    """Score N candidates, each by itself.

    Args:
        states: [N, 41, 11] simulated states, global.
        scenery: the scene; its traffic has at least `last_ttc_step` + 10 steps.
        last_ttc_step: last step whose time to collision counts: `ttc.LAST_STEP_V1` or `_V2`.

    Returns:
        [N, N_RAW], see `raw_columns`; columns that it does not fill are −1.
    """
    grid, traffic, line, arc = scenery.grid, scenery.traffic, scenery.centerline, scenery.arc
    n, n_polygons, last = len(states), len(grid.polygons), N_STEPS - 1
    raw = np.empty((n, N_RAW))
    ego, rear, centers = np.empty((N_STEPS, N_EGO)), np.empty((N_STEPS, 2)), np.empty((N_STEPS, 2))
    corners = np.empty((N_STEPS * N_CORNERS, 2))
    offroad, flags = np.empty(N_STEPS, np.bool_), np.empty(N_STEPS * N_CORNERS, np.bool_)
    found, held = np.empty(2 * n_polygons + 1, np.int64), np.zeros(n_polygons, np.int64)
    work, signals = np.empty((4, N_STEPS)), np.empty((N_QUANTITIES, N_STEPS))
    for i in range(n):
        out = raw[i]
        for column in range(N_RAW):
            out[column] = -1.0
        _place(states[i], scenery.origin, ego, rear, corners, centers)

        step, corner = find_offroad(grid, corners, flags, offroad)
        out[RAW.dac] = 1.0 if step < 0 else 0.0
        out[RAW.dac_step], out[RAW.dac_corner] = step, corner

        out[RAW.nc], out[RAW.ttc] = 1.0, 1.0
        _score_contacts(
            grid, traffic, ego, rear, corners, offroad, found, held, flags, last_ttc_step, out
        )

        # Whoever is in no lane of the route counts as oncoming in v1.1, on intersections too.
        mark_held(grid, ROUTE, centers, flags)
        for t in range(N_STEPS):
            flags[t] = not flags[t]
        out[RAW.ddc] = direction_score(centers, flags, work[0])

        start = project(line, arc, scenery.blocks, centers[0, 0], centers[0, 1])
        end = project(line, arc, scenery.blocks, centers[last, 0], centers[last, 1])
        out[RAW.progress] = max(end - start, 0.0)

        comfort_signals(states[i], work, signals)
        step, quantity, excess = first_discomfort(signals)
        out[RAW.comfort] = 1.0 if step < 0 else 0.0
        out[RAW.comfort_step], out[RAW.comfort_quantity] = step, quantity
        out[RAW.comfort_excess] = excess
    return raw
