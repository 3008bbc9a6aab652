"""Comfort: six quantities of the driven states stay inside their bounds.

All are Savitzky–Golay filters, which are linear: their weights are computed once. A window as long
as the data is one polynomial fit; it is applied as a projection on three polynomials.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.bicycle import AX, AY, DT, HEADING
from reworld_agent.pdm.cache import N_STEPS
from reworld_agent.pdm.kernel import kernel

QUANTITIES = (
    "longitudinal_acceleration",  # m/s²
    "lateral_acceleration",  # m/s²
    "jerk",  # m/s³
    "longitudinal_jerk",  # m/s³
    "yaw_acceleration",  # rad/s²
    "yaw_rate",  # rad/s
)
N_QUANTITIES = len(QUANTITIES)
BOUNDS = np.array(
    [[-4.05, 2.40], [-4.89, 4.89], [-8.37, 8.37], [-4.13, 4.13], [-1.93, 1.93], [-0.95, 0.95]]
)
_ROUND = 1e8  # the devkit rounds to 8 decimals


def savgol_weights(
    n: int, window: int, order: int, derivative: int, delta: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Savitzky–Golay filter of `n` samples as one row of weights per output.

    Inner outputs are the fitted polynomial in the middle of their window; the first and last
    outputs come from the polynomial of the first and last window (SciPy's mode 'interp'). For an
    even window the middle lies between two samples and inner outputs belong half a sample later,
    as SciPy computes them.

    Args:
        n: number of samples.
        window: samples per fit, at most `n`.
        order: polynomial order.
        derivative: which derivative.
        delta: sampling interval [s].

    Returns:
        weights [n, window] and first sample of each row's window, int64 [n].
    """
    half, odd = divmod(window, 2)
    middle = half - 0.5 * (1 - odd)
    start = np.clip(np.arange(n) - (window - 1) // 2, 0, n - window)
    place = np.arange(n) - start.astype(np.float64)
    inner = (np.arange(n) >= half) & (np.arange(n) < n - half)
    place[inner] = middle
    powers = np.arange(order + 1)
    design = (np.arange(window)[:, None] - middle) ** powers
    fit = np.linalg.pinv(design)
    factor = np.array([math.perm(int(p), derivative) for p in powers], np.float64)
    exponent = np.maximum(powers - derivative, 0)
    evaluate = factor * (place[:, None] - middle) ** exponent
    return evaluate @ fit / delta**derivative, start.astype(np.int64)


def _projections() -> NDArray[np.float64]:
    """[3, 3, 41]: weights of the quadratic's coefficients, its values, its derivatives [1/s]."""
    time = (np.arange(N_STEPS) - N_STEPS // 2) / (N_STEPS // 2)
    design = time[:, None] ** np.arange(3)
    slope = np.stack([np.zeros(N_STEPS), np.ones(N_STEPS), 2 * time])
    return np.stack([np.linalg.pinv(design), design.T, slope / (DT * (N_STEPS // 2))])


_QUADRATIC = _projections()
_SMOOTH, _SMOOTH_START = savgol_weights(N_STEPS, 8, 2, 0)
_YAW_RATE, _YAW_START = savgol_weights(N_STEPS, 5, 2, 1, DT)
_YAW_ACCELERATION, _ = savgol_weights(N_STEPS, 5, 3, 2, DT)


@kernel
def _rounded(value: float) -> float:
    return np.rint(value * _ROUND) / _ROUND


@kernel
def _filter(
    signal: NDArray[np.float64],
    weights: NDArray[np.float64],
    start: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Apply the rows of `weights` [n, window] to `signal` [n], rounded."""
    for i in range(len(out)):
        total = 0.0
        for j in range(weights.shape[1]):
            total += weights[i, j] * signal[start[i] + j]
        out[i] = _rounded(total)


@kernel
def _fit_quadratic(
    signal: NDArray[np.float64], basis: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Fit a quadratic to all of `signal` [41]; `basis` [3, 41] makes values or derivatives."""
    c0, c1, c2 = 0.0, 0.0, 0.0
    for i in range(N_STEPS):
        c0 += _QUADRATIC[0, 0, i] * signal[i]
        c1 += _QUADRATIC[0, 1, i] * signal[i]
        c2 += _QUADRATIC[0, 2, i] * signal[i]
    for i in range(N_STEPS):
        out[i] = _rounded(c0 * basis[0, i] + c1 * basis[1, i] + c2 * basis[2, i])


@kernel
def _unwrap(states: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Headings of `states` [n, 11] without jumps of a full turn."""
    turns = 0.0
    out[0] = states[0, HEADING]
    for i in range(1, len(states)):
        turns += np.rint((states[i, HEADING] - states[i - 1, HEADING]) / (2.0 * math.pi))
        out[i] = states[i, HEADING] - 2.0 * math.pi * turns


@kernel
def comfort_signals(
    states: NDArray[np.float64], work: NDArray[np.float64], signals: NDArray[np.float64]
) -> None:
    """The six filtered quantities of one candidate.

    Args:
        states: [41, 11].
        work: [4, 41] scratch.
        signals: [6, 41], filled in the order of `QUANTITIES`.
    """
    along, magnitude, smooth, heading = work[0], work[1], work[2], work[3]
    for i in range(N_STEPS):
        along[i] = states[i, AX]
        smooth[i] = states[i, AY]
        magnitude[i] = math.hypot(states[i, AX], states[i, AY])
    values, slopes = _QUADRATIC[1], _QUADRATIC[2]
    _fit_quadratic(along, values, signals[0])
    _fit_quadratic(smooth, values, signals[1])
    _filter(magnitude, _SMOOTH, _SMOOTH_START, smooth)
    _fit_quadratic(smooth, slopes, signals[2])
    _filter(along, _SMOOTH, _SMOOTH_START, smooth)
    _fit_quadratic(smooth, slopes, signals[3])
    _unwrap(states, heading)
    _filter(heading, _YAW_ACCELERATION, _YAW_START, signals[4])
    _filter(heading, _YAW_RATE, _YAW_START, signals[5])


@kernel
def first_discomfort(signals: NDArray[np.float64]) -> tuple[int, int, float]:
    """First step out of bounds, its quantity, and that quantity's largest excess over the bound.

    (-1, -1, 0.0) where all six hold; a value on the bound does not hold.
    """
    first, quantity = N_STEPS, -1
    for q in range(N_QUANTITIES):
        for i in range(first):
            if not BOUNDS[q, 0] < signals[q, i] < BOUNDS[q, 1]:
                first, quantity = i, q
                break
    if quantity < 0:
        return -1, -1, 0.0
    excess = 0.0
    for i in range(N_STEPS):
        value = signals[quantity, i]
        excess = max(excess, value - BOUNDS[quantity, 1], BOUNDS[quantity, 0] - value)
    return first, quantity, excess
