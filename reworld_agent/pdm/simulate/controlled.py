"""The bicycle under pedals and wheel themselves, without a plan and without a tracker."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import kernel
from reworld_agent.pdm.simulate.bicycle import DT, N_STATE, STEERING, step


@kernel
def drive_controlled(
    initial_state: NDArray[np.float64], acceleration: float, steering: float, n_steps: int
) -> NDArray[np.float64]:
    """Drive `n_steps` of 0.1 s under constant control.

    Args:
        initial_state: [11], layout of `bicycle`, global.
        acceleration: commanded [m/s²].
        steering: commanded angle of the front wheels [rad]; the actuators lag behind both.
        n_steps: how many.

    Returns:
        [n_steps + 1, 11] states; row 0 is `initial_state`.
    """
    states = np.empty((n_steps + 1, N_STATE))
    for j in range(N_STATE):
        states[0, j] = initial_state[j]
    tan_steering = math.tan(states[0, STEERING])
    for k in range(n_steps):
        rate = (steering - states[k, STEERING]) / DT
        tan_steering = step(states[k], acceleration, rate, tan_steering, states[k + 1])
    return states
