"""Time to collision (TTC): the ego, driven on straight for 0.9 s, meets nothing ahead of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.bicycle import X, Y
from reworld_agent.pdm.collision import (
    EGO_COS,
    EGO_SIN,
    EGO_SPEED,
    EGO_X,
    EGO_Y,
    meets,
    near,
)
from reworld_agent.pdm.geometry import AHEAD_ANGLE, BEHIND_ANGLE, RADIUS, bearing
from reworld_agent.pdm.kernel import kernel
from reworld_agent.pdm.scenery import Traffic

N_PROJECTIONS = 4
PROJECTION_STEPS = 3  # of 0.1 s between projections
PROJECTION_S = 0.3
HORIZON_S = 0.9
_MIN_SPEED = 5e-3  # m/s
AHEAD, BESIDE, BEHIND = range(3)


@kernel
def first_threat(
    traffic: Traffic, k: int, ego: NDArray[np.float64], radius: float, n_steps: int
) -> tuple[int, int]:
    """First step and projection at which the projected ego [41, 5] meets track `k`, or (-1, -1)."""
    for t in range(n_steps):
        speed = ego[t, EGO_SPEED]
        if speed < _MIN_SPEED:
            continue
        for i in range(N_PROJECTIONS):
            track = traffic.pose[k, t + i * PROJECTION_STEPS]
            shift = speed * (i * PROJECTION_S)
            x = ego[t, EGO_X] + shift * ego[t, EGO_COS]
            y = ego[t, EGO_Y] + shift * ego[t, EGO_SIN]
            if near(track, x, y, RADIUS + radius) and meets(ego[t], shift, track, traffic.half[k]):
                return t, i
    return -1, -1


@kernel
def side(
    track: NDArray[np.float64], ego: NDArray[np.float64], rear_axle: NDArray[np.float64]
) -> int:
    """Where the track [4] lies from the ego's rear axle [2]: AHEAD, BESIDE or BEHIND."""
    angle = bearing(track[0] - rear_axle[X], track[1] - rear_axle[Y], ego[EGO_COS], ego[EGO_SIN])
    if angle < AHEAD_ANGLE:
        return AHEAD
    return BEHIND if angle > BEHIND_ANGLE else BESIDE
