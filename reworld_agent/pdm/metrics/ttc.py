"""Time to collision (TTC): the ego, driven on straight for 0.9 s, meets nothing ahead of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper
from reworld_agent.pdm.metrics.collision import EGO_SPEED, meets
from reworld_agent.pdm.world.geometry import AHEAD_ANGLE, BEHIND_ANGLE, bearing

N_PROJECTIONS = 4
PROJECTION_STEPS = 3  # of 0.1 s between projections
PROJECTION_S = 0.3
HORIZON_S = 0.9
_MIN_SPEED = 5e-3  # m/s
AHEAD, BESIDE, BEHIND = range(3)
SIDES = ("ahead", "beside", "behind")


@helper
def first_threat(
    pose: NDArray[np.float64],
    k: int,
    half_length: float,
    half_width: float,
    ego: NDArray[np.float64],
    last_step: int,
) -> tuple[int, int]:
    """First step and projection at which the projected ego [41, 5] meets track `k`, or (-1, -1)."""
    for t in range(last_step + 1):
        speed = ego[t, EGO_SPEED]
        if speed < _MIN_SPEED:
            continue
        for i in range(N_PROJECTIONS):
            s = t + i * PROJECTION_STEPS
            x, y, cos, sin = pose[k, s, 0], pose[k, s, 1], pose[k, s, 2], pose[k, s, 3]
            shift = speed * (i * PROJECTION_S)
            if meets(ego, t, shift, x, y, cos, sin, half_length, half_width):
                return t, i
    return -1, -1


@helper
def side(x: float, y: float, cos: float, sin: float) -> int:
    """Where a point lies from the rear axle: AHEAD, BESIDE or BEHIND.

    Args:
        x, y: the point minus the rear axle [m].
        cos, sin: the ego's heading.
    """
    angle = bearing(x, y, cos, sin)
    if angle < AHEAD_ANGLE:
        return AHEAD
    return BEHIND if angle > BEHIND_ANGLE else BESIDE
