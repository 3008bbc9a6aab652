"""No at-fault collisions (NC): the first contact with each track decides.

The devkit walks through time and mutes a track after a contact without fault; a track's later
contacts can therefore change nothing, and tracks do not influence each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.bicycle import X, Y
from reworld_agent.pdm.geometry import (
    BEHIND_ANGLE,
    HALF_LENGTH,
    HALF_WIDTH,
    RADIUS,
    bearing,
    boxes_meet,
)
from reworld_agent.pdm.kernel import kernel
from reworld_agent.pdm.scenery import Traffic

STOPPED_EGO_SPEED = 0.05  # m/s
STOPPED_EGO, STOPPED_TRACK, ACTIVE_FRONT, ACTIVE_REAR, ACTIVE_LATERAL = range(5)
COLLISION_TYPES = ("stopped_ego", "stopped_track", "active_front", "active_rear", "active_lateral")

# Columns of an ego box: centre x, y, cos, sin of the heading, speed.
EGO_X, EGO_Y, EGO_COS, EGO_SIN, EGO_SPEED = range(5)
N_EGO = 5


@kernel
def near(track: NDArray[np.float64], x: float, y: float, reach: float) -> bool:
    """Whether the track [4] is present with its centre at most `reach` [m] from (x, y)."""
    dx, dy = track[0] - x, track[1] - y
    return dx * dx + dy * dy <= reach * reach  # False for an absent track, which is NaN


@kernel
def meets(
    ego: NDArray[np.float64], shift: float, track: NDArray[np.float64], half: NDArray[np.float64]
) -> bool:
    """Whether the ego box [5], moved `shift` [m] ahead, meets the track's box [4]."""
    return boxes_meet(
        track[0] - ego[EGO_X] - shift * ego[EGO_COS],
        track[1] - ego[EGO_Y] - shift * ego[EGO_SIN],
        ego[EGO_COS],
        ego[EGO_SIN],
        HALF_LENGTH,
        HALF_WIDTH,
        track[2],
        track[3],
        half[0],
        half[1],
    )


@kernel
def first_contact(
    traffic: Traffic, k: int, ego: NDArray[np.float64], radius: float, n_steps: int
) -> int:
    """First step at which the ego [41, 5] meets track `k`, or -1."""
    for t in range(n_steps):
        track = traffic.pose[k, t]
        if near(track, ego[t, EGO_X], ego[t, EGO_Y], RADIUS + radius) and meets(
            ego[t], 0.0, track, traffic.half[k]
        ):
            return t
    return -1


@kernel
def collision_type(
    traffic: Traffic, k: int, t: int, ego: NDArray[np.float64], rear_axle: NDArray[np.float64]
) -> int:
    """Type of the contact with track `k` at step `t`.

    Args:
        traffic: all tracks.
        k, t: track and step.
        ego: [5] ego box at the step.
        rear_axle: [2] local position [m] of the rear axle at the step.
    """
    track = traffic.pose[k, t]
    if ego[EGO_SPEED] <= STOPPED_EGO_SPEED:
        return STOPPED_EGO
    if traffic.is_stopped[k]:
        return STOPPED_TRACK
    dx, dy = track[0] - rear_axle[X], track[1] - rear_axle[Y]
    if bearing(dx, dy, ego[EGO_COS], ego[EGO_SIN]) > BEHIND_ANGLE:
        return ACTIVE_REAR
    front = boxes_meet(  # the front edge is a box of no length
        track[0] - ego[EGO_X] - HALF_LENGTH * ego[EGO_COS],
        track[1] - ego[EGO_Y] - HALF_LENGTH * ego[EGO_SIN],
        ego[EGO_COS],
        ego[EGO_SIN],
        0.0,
        HALF_WIDTH,
        track[2],
        track[3],
        traffic.half[k, 0],
        traffic.half[k, 1],
    )
    return ACTIVE_FRONT if front else ACTIVE_LATERAL
