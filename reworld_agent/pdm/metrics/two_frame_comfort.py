"""Extended comfort (EC, EPDMS): the plans of two consecutive frames agree where they overlap."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.history_comfort import filters
from reworld_agent.pdm.simulate.bicycle import AX, AY, DT, HEADING

MAX_INTERVAL_S = 0.55  # frames of one log that are farther apart are not consecutive
_ROUND_DECIMALS = 8
# Largest root mean square difference of two plans: acceleration, jerk, yaw rate, yaw acceleration.
_BOUNDS = np.array([0.7, 0.5, 0.1, 0.1])


def two_frame_comfort(
    now: NDArray[np.float64], before: NDArray[np.float64], interval_s: float
) -> NDArray[np.float64]:
    """EC: do the plans of two consecutive frames agree where they overlap?

    Args:
        now: [N, 41, 11] simulated states of the later frame.
        before: [N, 41, 11] of the earlier frame.
        interval_s: time between the frames [s], more than 0 and less than 0.55.

    Returns:
        [N] 1 where all four differences are within their bounds, else 0.
    """
    shift = round(interval_s / DT)
    first, second = _features(now[:, :-shift]), _features(before[:, shift:])
    rms = np.sqrt(np.mean((first - second) ** 2, axis=-1))
    return (rms <= _BOUNDS).all(axis=-1).astype(np.float64)


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
