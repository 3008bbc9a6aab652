"""The kinematic bicycle that drives the commands, with first-order lag on both actuators.

State [11], rear axle, global frame: x, y [m], heading [rad], vx, vy [m/s], ax, ay [m/s²],
steering angle [rad], steering rate, angular velocity [rad/s], angular acceleration [rad/s²].
Equations: nuPlan's kinematic bicycle model (Karnchanachari et al., 2024), explicit Euler.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper
from reworld_agent.pdm.world.geometry import WHEEL_BASE, principal_value

DT = 0.1  # s
X, Y, HEADING, VX, VY, AX, AY, STEERING, STEERING_RATE, YAW_RATE, YAW_ACCELERATION = range(11)
N_STATE = 11

_ACCELERATION_LAG = 0.2  # s
_STEERING_LAG = 0.05  # s
_MAX_STEERING = math.pi / 3


@helper
def step(
    state: NDArray[np.float64],
    acceleration: float,
    steering_rate: float,
    tan_steering: float,
    after: NDArray[np.float64],
) -> float:
    """Drive one step of 0.1 s.

    Args:
        state: [11] before the step.
        acceleration: commanded acceleration [m/s²].
        steering_rate: commanded steering rate [rad/s].
        tan_steering: tangent of `state`'s steering angle.
        after: [11], filled with the state after the step.

    Returns:
        Tangent of the new steering angle, for the next step.
    """
    speed, steering = state[VX], state[STEERING]
    lag = DT / (DT + _ACCELERATION_LAG)
    new_acceleration = lag * (acceleration - state[AX]) + state[AX]
    wanted = DT * steering_rate + steering
    lagged = DT / (DT + _STEERING_LAG) * (wanted - steering) + steering
    new_rate = (lagged - steering) / DT

    # Place and heading move with the old speed and steering, the speed with the new acceleration.
    after[X] = state[X] + speed * math.cos(state[HEADING]) * DT
    after[Y] = state[Y] + speed * math.sin(state[HEADING]) * DT
    after[HEADING] = principal_value(state[HEADING] + speed * tan_steering / WHEEL_BASE * DT)
    after[VX] = speed + new_acceleration * DT
    after[VY] = 0.0
    after[AX] = new_acceleration
    after[AY] = 0.0
    after[STEERING] = min(max(steering + new_rate * DT, -_MAX_STEERING), _MAX_STEERING)
    after[STEERING_RATE] = new_rate  # also where the angle is clipped
    new_tan = math.tan(after[STEERING])
    after[YAW_RATE] = after[VX] * new_tan / WHEEL_BASE
    after[YAW_ACCELERATION] = (after[YAW_RATE] - state[YAW_RATE]) / DT
    return new_tan
