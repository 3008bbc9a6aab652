"""Comfort in EPDMS (NAVSIM v2.2): with the logged past before the plan (HC), and between the plans
of two consecutive frames (EC).

The same six quantities and bounds as in PDMS, but at the centre of the vehicle and with shorter
windows. The devkit shifts accelerations to the centre along x only: a_x + d ω² + d α.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.metrics.comfort import (
    N_QUANTITIES,
    apply_filter,
    first_discomfort,
    savgol_weights,
    unwrap,
)
from reworld_agent.pdm.simulate.bicycle import (
    AX,
    AY,
    DT,
    HEADING,
    N_STATE,
    STEERING,
    STEERING_RATE,
    YAW_ACCELERATION,
    YAW_RATE,
)
from reworld_agent.pdm.world.geometry import REAR_AXLE_TO_CENTER

HC, HC_STEP, HC_QUANTITY, HC_EXCESS = range(4)
_ROUND_DECIMALS = 8
_STEP_US = 100_000
# Largest root mean square difference of two plans: acceleration, jerk, yaw rate, yaw acceleration.
TWO_FRAME_BOUNDS = np.array([0.7, 0.5, 0.1, 0.1])


class Filters(NamedTuple):
    """Savitzky–Golay weights for n samples; each [n, window]."""

    smooth: NDArray[np.float64]
    slope: NDArray[np.float64]
    yaw_rate: NDArray[np.float64]
    yaw_acceleration: NDArray[np.float64]


@lru_cache(maxsize=16)
def filters(n: int, yaw_order: int = 3) -> Filters:
    """Weights for `n` samples at 10 Hz; `yaw_order` is that of the yaw acceleration's fit."""
    return Filters(
        savgol_weights(n, min(8, n), 2, 0),
        savgol_weights(n, min(15, n), 2, 1, DT),
        savgol_weights(n, min(5, n), 2, 1, DT),
        savgol_weights(n, min(5, n), yaw_order, 2, DT),
    )


def past_at_10_hz(states: NDArray[np.float64], time_us: NDArray[np.int64]) -> NDArray[np.float64]:
    """The logged past between its frames, without t0 and the sample before it.

    Args:
        states: [F, 11] logged states, the last is t0.
        time_us: [F] their log times [µs].

    Returns:
        [H, 11]; angular motion is zero, as the devkit's interpolation leaves it.
    """
    if len(states) < 2:
        return np.empty((0, N_STATE))
    samples = np.arange(time_us[0], time_us[-1], _STEP_US)[:-1]
    knots = np.array(states)
    knots[:, HEADING] = np.unwrap(knots[:, HEADING])
    low = np.clip(np.searchsorted(time_us, samples), 1, len(states) - 1) - 1
    span = (time_us[low + 1] - time_us[low]).astype(np.float64)
    slope = (knots[low + 1] - knots[low]) / span[:, None]
    past: NDArray[np.float64] = slope * (samples - time_us[low])[:, None] + knots[low]
    past[:, HEADING] = (past[:, HEADING] + math.pi) % (2.0 * math.pi) - math.pi
    past[:, [STEERING_RATE, YAW_RATE, YAW_ACCELERATION]] = 0.0
    past[:, STEERING] = 0.0
    return past


@kernel
def history_comfort(
    states: NDArray[np.float64], past: NDArray[np.float64], weights: Filters
) -> NDArray[np.float64]:
    """HC of N candidates.

    Args:
        states: [N, 41, 11] simulated states.
        past: [H, 11] of `past_at_10_hz`; none is allowed only where HC is not asked for.
        weights: `filters(H + 41)`.

    Returns:
        [N, 4]: HC, first step out of bounds (before t0 it is negative; −1000 for none), its
        quantity, the largest excess of that quantity.
    """
    n_past, n = len(past), len(past) + states.shape[1]
    joined, work = np.empty((n, N_STATE)), np.empty((4, n))
    signals, out = np.empty((N_QUANTITIES, n)), np.empty((len(states), 4))
    for t in range(n_past):
        for j in range(N_STATE):
            joined[t, j] = past[t, j]
    for i in range(len(states)):
        for t in range(states.shape[1]):
            for j in range(N_STATE):
                joined[n_past + t, j] = states[i, t, j]
        _signals(joined, weights, work, signals)
        step, quantity, excess = first_discomfort(signals)
        out[i, HC] = 1.0 if quantity < 0 else 0.0
        out[i, HC_STEP] = -1000.0 if quantity < 0 else step - n_past
        out[i, HC_QUANTITY], out[i, HC_EXCESS] = quantity, excess
    return out


@helper
def _signals(
    states: NDArray[np.float64],
    weights: Filters,
    work: NDArray[np.float64],
    signals: NDArray[np.float64],
) -> None:
    """The six quantities of one candidate with its past: states [n, 11] → signals [6, n]."""
    along, magnitude, lateral, heading = work[0], work[1], work[2], work[3]
    for t in range(len(states)):
        ax, ay = states[t, AX], states[t, AY]
        rate, change = states[t, YAW_RATE], states[t, YAW_ACCELERATION]
        along[t] = (ax + REAR_AXLE_TO_CENTER * (rate * rate)) + REAR_AXLE_TO_CENTER * change
        lateral[t] = ay
        magnitude[t] = abs(ax) if ay == 0.0 else math.hypot(ax, ay)
    apply_filter(along, weights.smooth, signals[0])
    apply_filter(lateral, weights.smooth, signals[1])
    apply_filter(magnitude, weights.smooth, along)
    apply_filter(along, weights.slope, signals[2])
    apply_filter(signals[0], weights.slope, signals[3])
    unwrap(states, heading)
    apply_filter(heading, weights.yaw_acceleration, signals[4])
    apply_filter(heading, weights.yaw_rate, signals[5])


def two_frame_comfort(
    now: NDArray[np.float64], before: NDArray[np.float64], interval_s: float
) -> NDArray[np.float64]:
    """EC: do the plans of two consecutive frames agree where they overlap?

    Args:
        now: [N, 41, 11] simulated states of the later frame.
        before: [N, 41, 11] of the earlier frame.
        interval_s: time between the frames [s], more than 0 and less than 0.55.

    Returns:
        [N] 1 where all four differences are within `TWO_FRAME_BOUNDS`, else 0.
    """
    shift = round(interval_s / DT)
    first, second = _features(now[:, :-shift]), _features(before[:, shift:])
    rms = np.sqrt(np.mean((first - second) ** 2, axis=-1))
    return (rms <= TWO_FRAME_BOUNDS).all(axis=-1).astype(np.float64)


def _features(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N, 4, n]: acceleration, jerk, yaw rate, yaw acceleration of states [N, n, 11]."""
    weights = filters(states.shape[1], yaw_order=2)
    acceleration = _apply(np.hypot(states[..., AX], states[..., AY]), weights.smooth)
    heading = states[..., HEADING]
    turns = np.cumsum(np.round(np.diff(heading, axis=-1) / (2.0 * math.pi)), axis=-1)
    heading = heading - 2.0 * math.pi * np.pad(turns, ((0, 0), (1, 0)))
    return np.stack(
        [
            acceleration,
            _apply(acceleration, weights.slope),
            _apply(heading, weights.yaw_rate),
            _apply(heading, weights.yaw_acceleration),
        ],
        axis=1,
    )


def _apply(signal: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """`apply_filter` for [N, n], in NumPy."""
    n, window = weights.shape
    start = np.clip(np.arange(n) - (window - 1) // 2, 0, n - window)
    taps = signal[:, start[:, None] + np.arange(window)]
    return np.round((taps * weights).sum(axis=-1), _ROUND_DECIMALS)
