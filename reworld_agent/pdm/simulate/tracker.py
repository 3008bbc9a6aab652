"""The LQR tracker: from reference poses to the states that the vehicle really drives.

Two fits per candidate estimate reference speed and curvature, then a one-step LQR with a horizon
of ten steps commands acceleration and steering rate (nuPlan's `LQRTracker`). The devkit solves
both fits with a dense pseudo-inverse. Written in the speeds v and curvatures κ themselves instead
of their increments, both normal equations are banded and are solved exactly:

    speed      min Σ (v_k dt − p_k)² + λ Σ_{k<37} a_k² + λ (a_38 − a_37)²
    curvature  min Σ (v_k dt κ_k − Δψ_k)² + μ Σ ((κ_{k+1} − κ_k) / dt)² + ε κ_0²

with a_k = (v_{k+1} − v_k) / dt and p_k the displacement along heading k. The first matrix is the
same for all trajectories.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.simulate.bicycle import DT, HEADING, N_STATE, STEERING, VX, X, Y, step
from reworld_agent.pdm.world.geometry import WHEEL_BASE, wrap

N_REFERENCE = 40  # displacements between the 41 reference poses
_HORIZON = 10  # steps
_JERK_PENALTY = 1e-4
_CURVATURE_STIFFNESS = 1e-2 / DT**2
_FIRST_CURVATURE_PENALTY = 1e-10
_STOP_SPEED = 0.2  # m/s
_STOP_GAIN = 0.5
_SPEED_GAIN = 10.0 / (10.0 * (_HORIZON * DT) ** 2 + 1.0) * (_HORIZON * DT)
_Q_LATERAL, _Q_HEADING = 1.0, 10.0


def _factor_speed_fit() -> NDArray[np.float64]:
    """[3, 40] diagonal and the two lower bands of the LDLᵀ factors of the speed fit's matrix."""
    accelerations = np.diff(np.eye(N_REFERENCE), axis=0) / DT
    # nuPlan means to penalise all differences of accelerations, but its difference matrix loses all
    # +1 but the last: what is penalised are the accelerations themselves and one difference.
    penalised = np.vstack([accelerations[:-2], accelerations[-1] - accelerations[-2]])
    matrix = DT**2 * np.eye(N_REFERENCE) + _JERK_PENALTY * penalised.T @ penalised
    root = np.linalg.cholesky(matrix)
    diagonal = np.diag(root)
    bands = np.zeros((3, N_REFERENCE))
    bands[0] = diagonal**2
    bands[1, 1:] = np.diag(root, -1) / diagonal[:-1]
    bands[2, 2:] = np.diag(root, -2) / diagonal[:-2]
    return bands


_SPEED_BANDS = _factor_speed_fit()


@helper
def _fit_speed(along: NDArray[np.float64], speed: NDArray[np.float64]) -> None:
    """Displacements along the heading [40] → reference speeds [40] (both in metres, m/s)."""
    bands, n = _SPEED_BANDS, N_REFERENCE
    for k in range(n):
        value = DT * along[k]
        if k > 0:
            value -= bands[1, k] * speed[k - 1]
        if k > 1:
            value -= bands[2, k] * speed[k - 2]
        speed[k] = value
    for k in range(n - 1, -1, -1):
        value = speed[k] / bands[0, k]
        if k + 1 < n:
            value -= bands[1, k + 1] * speed[k + 1]
        if k + 2 < n:
            value -= bands[2, k + 2] * speed[k + 2]
        speed[k] = value


@helper
def _fit_curvature(
    speed: NDArray[np.float64],
    turn: NDArray[np.float64],
    curvature: NDArray[np.float64],
    work: NDArray[np.float64],
) -> None:
    """Speeds [40] and heading changes [40] → reference curvatures [40] [1/m].

    A chain of springs: node k is tied to the ground with (v_k dt)² and to its neighbours with a
    constant stiffness. Reducing the chain from its end has no cancellation, which keeps digits
    where the reference stands still and only the tiny penalty on κ_0 makes the fit unique.
    """
    spring, n = _CURVATURE_STIFFNESS, N_REFERENCE
    ground, force = work[0], work[1]
    for k in range(n - 1, -1, -1):
        arm = speed[k] * DT
        ground[k], force[k] = arm * arm, arm * turn[k]
        if k + 1 < n:
            share = spring / (spring + ground[k + 1])
            ground[k] += share * ground[k + 1]
            force[k] += share * force[k + 1]
    curvature[0] = force[0] / (ground[0] + _FIRST_CURVATURE_PENALTY)
    for k in range(1, n):
        curvature[k] = (spring * curvature[k - 1] + force[k]) / (spring + ground[k])


@helper
def _steering_rate(
    lateral: float,
    heading: float,
    steering: float,
    speed: float,
    acceleration: float,
    curvature: NDArray[np.float64],
    first: int,
    last: int,
) -> float:
    """LQR steering rate [rad/s]: roll the errors and the effect of a unit input over 1 s.

    Args:
        lateral, heading, steering: errors [m, rad] and steering angle [rad] now.
        speed, acceleration: speed now and the commanded acceleration, held over the horizon.
        curvature: [40] reference curvatures, read from `first` to `last`, then held.
    """
    gain_lateral, gain_heading, gain_steering = 0.0, 0.0, 0.0
    v = speed
    for k in range(_HORIZON):
        reach = v * DT
        bend = curvature[min(first + k, last)]
        lateral += reach * heading
        heading += reach / WHEEL_BASE * steering - reach * bend
        gain_lateral += reach * gain_heading
        gain_heading += reach / WHEEL_BASE * gain_steering
        gain_steering += DT
        v += acceleration * DT
    weighted = _Q_LATERAL * gain_lateral * lateral + _Q_HEADING * gain_heading * wrap(heading)
    return -weighted / (
        _Q_LATERAL * gain_lateral * gain_lateral + _Q_HEADING * gain_heading * gain_heading + 1.0
    )


@helper
def _fit(poses: NDArray[np.float64], fit: NDArray[np.float64]) -> None:
    """Reference poses [41, 3] → rows of `fit` [8, 40]: cos, sin, speed, curvature, 4 of work."""
    cos, sin, along, turn = fit[0], fit[1], fit[4], fit[5]
    for k in range(N_REFERENCE):
        cos[k], sin[k] = math.cos(poses[k, 2]), math.sin(poses[k, 2])
        dx, dy = poses[k + 1, 0] - poses[k, 0], poses[k + 1, 1] - poses[k, 1]
        along[k] = dx * cos[k] + dy * sin[k]
        turn[k] = wrap(poses[k + 1, 2] - poses[k, 2])
    _fit_speed(along, fit[2])
    _fit_curvature(fit[2], turn, fit[3], fit[6:8])


@helper
def _follow(
    poses: NDArray[np.float64], fit: NDArray[np.float64], states: NDArray[np.float64]
) -> None:
    """Drive along `poses` [41, 3]; `states` [41, 11] starts with its first row filled."""
    cos, sin, speeds, curvature = fit[0], fit[1], fit[2], fit[3]
    tan_steering = math.tan(states[0, STEERING])
    for i in range(len(states) - 1):
        now = states[i]
        last = min(i + _HORIZON, N_REFERENCE - 1)  # the horizon shrinks towards the end
        target, speed = speeds[last], now[VX]
        if target <= _STOP_SPEED and speed <= _STOP_SPEED:  # stopping: the wheels stay as they are
            acceleration, steering_rate = -_STOP_GAIN * (speed - target), 0.0
        else:
            acceleration = -_SPEED_GAIN * (speed - target)
            dx, dy = now[X] - poses[i, 0], now[Y] - poses[i, 1]
            steering_rate = _steering_rate(
                -dx * sin[i] + dy * cos[i],
                wrap(now[HEADING] - poses[i, 2]),
                now[STEERING],
                speed,
                acceleration,
                curvature,
                i,
                last,
            )
        tan_steering = step(now, acceleration, steering_rate, tan_steering, states[i + 1])


@kernel
def simulate(initial_state: NDArray[np.float64], poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drive N candidates for 4 s.

    Args:
        initial_state: [11] ego state at t0 (layout: `bicycle`), global.
        poses: [N, 41, 3] reference poses x, y [m], heading [rad], global, 10 Hz.

    Returns:
        [N, 41, 11] simulated states; row 0 is `initial_state`.
    """
    n, n_states = poses.shape[0], poses.shape[1]
    states = np.empty((n, n_states, N_STATE))
    fit = np.empty((8, N_REFERENCE))
    for i in range(n):
        for j in range(N_STATE):
            states[i, 0, j] = initial_state[j]
        _fit(poses[i], fit)
        _follow(poses[i], fit, states[i])
    return states
