"""All metrics of simulated states in one compiled pass, without any object of Python.

`score_states` judges states against any scenery: the logged traffic for a planner's score, or
PDM-Closed's own forecast when it chooses among its proposals.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.bicycle import HEADING, VX, VY, X, Y
from reworld_agent.pdm.cache import N_STEPS
from reworld_agent.pdm.collision import (
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
from reworld_agent.pdm.comfort import N_QUANTITIES, comfort_signals, first_discomfort
from reworld_agent.pdm.direction import direction_score
from reworld_agent.pdm.drivable_area import N_CORNERS, find_offroad, in_several_lanes
from reworld_agent.pdm.geometry import (
    HALF_LENGTH,
    HALF_WIDTH,
    RADIUS,
    REAR_AXLE_TO_CENTER,
)
from reworld_agent.pdm.grid import INTERSECTION, ROUTE, is_held
from reworld_agent.pdm.kernel import kernel
from reworld_agent.pdm.progress import normalised_progress, project
from reworld_agent.pdm.scenery import Scenery
from reworld_agent.pdm.ttc import AHEAD, BEHIND, HORIZON_S, PROJECTION_STEPS, first_threat, side

# Columns of the result of `score_states`. Steps are -1 where nothing fails.
(
    NC,
    DAC,
    TTC,
    COMFORT,
    DDC,
    PROGRESS,  # m along the centreline, not negative
    NC_STEP,
    NC_TRACK,
    NC_TYPE,
    TTC_STEP,
    TTC_TRACK,
    TTC_SIDE,
    DAC_STEP,
    DAC_CORNER,
    COMFORT_STEP,
    COMFORT_QUANTITY,
    COMFORT_EXCESS,
) = range(17)
N_RAW = 17

LAST_TTC_STEP = N_STEPS - 1  # v1.1; the replayed traffic reaches 0.9 s farther
W_PROGRESS, W_TTC, W_COMFORT = 5.0, 5.0, 2.0


@kernel
def _place(
    states: NDArray[np.float64],
    origin: NDArray[np.float64],
    ego: NDArray[np.float64],
    rear: NDArray[np.float64],
    corners: NDArray[np.float64],
) -> None:
    """States [41, 11] → ego boxes [41, 5], rear axles [41, 2], corners [41, 4, 2], all local.

    Rounded in global coordinates as the devkit rounds, then made local without loss.
    """
    for t in range(len(states)):
        cos, sin = math.cos(states[t, HEADING]), math.sin(states[t, HEADING])
        x, y = (
            states[t, X] + REAR_AXLE_TO_CENTER * cos,
            states[t, Y] + REAR_AXLE_TO_CENTER * sin,
        )
        rear[t, 0], rear[t, 1] = states[t, X] - origin[0], states[t, Y] - origin[1]
        ego[t, EGO_X], ego[t, EGO_Y] = x - origin[0], y - origin[1]
        ego[t, EGO_COS], ego[t, EGO_SIN] = cos, sin
        ego[t, EGO_SPEED] = math.hypot(states[t, VX], states[t, VY])
        for c in range(N_CORNERS):
            lon = HALF_LENGTH if c == 0 or c == 3 else -HALF_LENGTH
            lat = HALF_WIDTH if c < 2 else -HALF_WIDTH
            corners[t, c, 0] = (x + (lon * cos - lat * sin)) - origin[0]
            corners[t, c, 1] = (y + (lon * sin + lat * cos)) - origin[1]


@kernel
def _is_astray(
    scenery: Scenery,
    t: int,
    offroad: NDArray[np.bool_],
    corners: NDArray[np.float64],
    found: NDArray[np.int64],
    held: NDArray[np.int64],
) -> bool:
    """Whether the ego is off the road or in several lanes at step `t`."""
    return offroad[t] or in_several_lanes(scenery.grid, corners[t], found, held)


@kernel
def _judge_contacts(
    scenery: Scenery,
    ego: NDArray[np.float64],
    rear: NDArray[np.float64],
    corners: NDArray[np.float64],
    offroad: NDArray[np.bool_],
    found: NDArray[np.int64],
    held: NDArray[np.int64],
    last_ttc_step: int,
    raw: NDArray[np.float64],
) -> None:
    """NC and TTC against every track that comes near; fills their columns of `raw`."""
    traffic = scenery.traffic
    low_x, low_y, high_x, high_y, reach = math.inf, math.inf, -math.inf, -math.inf, RADIUS
    for t in range(N_STEPS):
        low_x, high_x = min(low_x, ego[t, EGO_X]), max(high_x, ego[t, EGO_X])
        low_y, high_y = min(low_y, ego[t, EGO_Y]), max(high_y, ego[t, EGO_Y])
        reach = max(reach, RADIUS + HORIZON_S * ego[t, EGO_SPEED])
    for k in range(len(traffic.sweep)):
        sweep = traffic.sweep[k]
        if not (
            sweep[0] <= high_x + reach
            and sweep[2] >= low_x - reach
            and sweep[1] <= high_y + reach
            and sweep[3] >= low_y - reach
        ):
            continue
        radius = math.hypot(traffic.half[k, 0], traffic.half[k, 1])
        t = first_contact(traffic, k, ego, radius, N_STEPS)
        if t >= 0:
            kind = collision_type(traffic, k, t, ego[t], rear[t])
            if kind in (STOPPED_TRACK, ACTIVE_FRONT) or (
                kind == ACTIVE_LATERAL and _is_astray(scenery, t, offroad, corners, found, held)
            ):
                raw[NC] = min(raw[NC], 0.0 if traffic.is_agent[k] else 0.5)
                if raw[NC_STEP] < 0 or t < raw[NC_STEP]:
                    raw[NC_STEP], raw[NC_TRACK], raw[NC_TYPE] = t, k, kind
        t, i = first_threat(traffic, k, ego, radius, last_ttc_step + 1)
        if t >= 0:
            where = side(traffic.pose[k, t + i * PROJECTION_STEPS], ego[t], rear[t])
            if where == AHEAD or (
                where != BEHIND
                and (
                    _is_astray(scenery, t, offroad, corners, found, held)
                    or is_held(scenery.grid, INTERSECTION, rear[t, 0], rear[t, 1])
                )
            ):
                raw[TTC] = 0.0
                if raw[TTC_STEP] < 0 or t < raw[TTC_STEP]:
                    raw[TTC_STEP], raw[TTC_TRACK], raw[TTC_SIDE] = t, k, where


@kernel
def score_states(
    states: NDArray[np.float64], scenery: Scenery, last_ttc_step: int
) -> NDArray[np.float64]:
    """Judge N candidates, each by itself.

    Args:
        states: [N, 41, 11] simulated states, global.
        scenery: the scene; its traffic has at least `last_ttc_step` + 10 steps.
        last_ttc_step: last step whose time to collision counts (40 in v1.1, 31 in v2.2).

    Returns:
        [N, 17]: NC, DAC, TTC, comfort, DDC, progress [m], then what failed first (see the
        columns above).
    """
    n = len(states)
    raw = np.full((n, N_RAW), -1.0)
    ego, rear = np.empty((N_STEPS, N_EGO)), np.empty((N_STEPS, 2))
    corners = np.empty((N_STEPS, N_CORNERS, 2))
    offroad, wrong = np.empty(N_STEPS, np.bool_), np.empty(N_STEPS, np.bool_)
    n_polygons = len(scenery.grid.roles)
    found, held = np.empty(2 * n_polygons + 1, np.int64), np.zeros(n_polygons, np.int64)
    work, signals = np.empty((4, N_STEPS)), np.empty((N_QUANTITIES, N_STEPS))
    line, arc = scenery.centerline, scenery.centerline_progress
    for i in range(n):
        out = raw[i]
        _place(states[i], scenery.origin, ego, rear, corners)

        step, corner = find_offroad(scenery.grid, corners, offroad)
        out[DAC], out[DAC_STEP], out[DAC_CORNER] = 1.0 if step < 0 else 0.0, step, corner

        out[NC], out[TTC] = 1.0, 1.0
        _judge_contacts(scenery, ego, rear, corners, offroad, found, held, last_ttc_step, out)

        for t in range(N_STEPS):
            wrong[t] = not is_held(scenery.grid, ROUTE, ego[t, EGO_X], ego[t, EGO_Y])
        out[DDC] = direction_score(ego, wrong)

        last = N_STEPS - 1
        start = project(line, arc, ego[0, EGO_X], ego[0, EGO_Y])
        end = project(line, arc, ego[last, EGO_X], ego[last, EGO_Y])
        out[PROGRESS] = max(end - start, 0.0)

        comfort_signals(states[i], work, signals)
        step, quantity, excess = first_discomfort(signals)
        out[COMFORT] = 1.0 if step < 0 else 0.0
        out[COMFORT_STEP], out[COMFORT_QUANTITY], out[COMFORT_EXCESS] = step, quantity, excess
    return raw


def group_scores(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """PDMS [N] of proposals that compete with each other (EP relative to the best of all).

    This is how PDM-Closed v1.1 chooses: the first largest score wins.
    """
    multiplier = raw[:, NC] * raw[:, DAC]
    best = np.full(len(raw), np.max(raw[:, PROGRESS] * multiplier))
    return weighted_score(raw, normalised_progress(raw[:, PROGRESS], multiplier, best))


def weighted_score(
    raw: NDArray[np.float64], ego_progress: NDArray[np.float64]
) -> NDArray[np.float64]:
    """PDMS [N] = NC·DAC·(5·EP + 5·TTC + 2·C) / 12 (NAVSIM v1.1; DDC has no weight)."""
    weighted = W_PROGRESS * ego_progress + W_TTC * raw[:, TTC] + W_COMFORT * raw[:, COMFORT]
    total = weighted / (W_PROGRESS + W_TTC + W_COMFORT)
    return raw[:, NC] * raw[:, DAC] * total
