"""Comfort: six quantities of the driven states stay inside their bounds.

All are Savitzky–Golay filters, which are linear: their weights are computed once. A window as long
as the data is one polynomial fit; it is applied as a projection on three polynomials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.metrics.definition.metric import (
    BRAKE,
    EARLIER,
    SMOOTH,
    SPEED,
    Explainer,
    Failure,
    Trace,
)
from reworld_agent.pdm.metrics.raw_columns import Raw
from reworld_agent.pdm.metrics.records import Names, Records, index, padded, seconds
from reworld_agent.pdm.metrics.situations import HARSH, HARSH_PAST, HARSH_START
from reworld_agent.pdm.scene_cache import N_STEPS, SceneCache
from reworld_agent.pdm.simulate.bicycle import AX, AY, DT, HEADING

QUANTITIES = (
    "longitudinal_acceleration",
    "lateral_acceleration",
    "jerk",
    "longitudinal_jerk",
    "yaw_acceleration",
    "yaw_rate",
)
N_QUANTITIES = len(QUANTITIES)
QUANTITY_NAMES = padded(QUANTITIES)
_UNITS = ("m/s²", "m/s²", "m/s³", "m/s³", "rad/s²", "rad/s")
BOUNDS = np.array(
    [[-4.05, 2.40], [-4.89, 4.89], [-8.37, 8.37], [-4.13, 4.13], [-1.93, 1.93], [-0.95, 0.95]]
)
_ROUND = 1e8  # the devkit rounds to 8 decimals
_START_S = 0.5
_FILTER_S = 0.7  # half the window of the widest filter


def savgol_weights(
    n: int, window: int, order: int, derivative: int, delta: float = 1.0
) -> NDArray[np.float64]:
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
        [n, window] weights; the window of output i starts at sample i − (window − 1) // 2, or at
        the first or last possible sample.
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
    weights = np.ascontiguousarray(evaluate @ fit / delta**derivative)
    weights.flags.writeable = False  # numba compiles anew for arrays that can be written
    return weights


def _projections() -> NDArray[np.float64]:
    """[3, 3, 41]: weights of the quadratic's coefficients, its values, its derivatives [1/s]."""
    time = (np.arange(N_STEPS) - N_STEPS // 2) / (N_STEPS // 2)
    design = time[:, None] ** np.arange(3)
    slope = np.stack([np.zeros(N_STEPS), np.ones(N_STEPS), 2 * time])
    return np.stack([np.linalg.pinv(design), design.T, slope / (DT * (N_STEPS // 2))])


# v1.1 gives its filters of acceleration and jerk all 41 samples as a window: one quadratic.
_QUADRATIC = _projections()
_SMOOTH = savgol_weights(N_STEPS, 8, 2, 0)
# It means to do the same with the yaw rate, but does not hand the window on: 5 samples remain.
_YAW_RATE = savgol_weights(N_STEPS, 5, 2, 1, DT)
_YAW_ACCELERATION = savgol_weights(N_STEPS, 5, 3, 2, DT)


@helper
def _round(values: NDArray[np.float64]) -> None:
    for i in range(len(values)):
        values[i] = np.rint(values[i] * _ROUND) / _ROUND


@helper
def apply_filter(
    signal: NDArray[np.float64], weights: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Savitzky–Golay filter of `signal` [n] as `savgol_weights` [n, window], rounded.

    Args:
        signal: the samples.
        weights: one row for each output; the rows of all but the first and last
            window // 2 outputs are equal.
        out: [n], filled.
    """
    n, window = weights.shape
    inner = n - window + 1
    shift = (window - 1) // 2
    for i in range(inner):
        out[i + shift] = weights[n // 2, 0] * signal[i]
    for j in range(1, window):
        weight = weights[n // 2, j]
        for i in range(inner):
            out[i + shift] += weight * signal[i + j]
    for i in range(window // 2):
        first, last = 0.0, 0.0
        for j in range(window):
            first += weights[i, j] * signal[j]
            last += weights[n - 1 - i, j] * signal[n - window + j]
        out[i], out[n - 1 - i] = first, last
    _round(out)


@helper
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
        out[i] = c0 * basis[0, i] + c1 * basis[1, i] + c2 * basis[2, i]
    _round(out)


@helper
def unwrap(states: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Headings of `states` [n, 11] without jumps of a full turn."""
    turns = 0.0
    out[0] = states[0, HEADING]
    for i in range(1, len(states)):
        turns += np.rint((states[i, HEADING] - states[i - 1, HEADING]) / (2.0 * math.pi))
        out[i] = states[i, HEADING] - 2.0 * math.pi * turns


@helper
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
        ay = states[i, AY]
        magnitude[i] = abs(along[i]) if ay == 0.0 else math.hypot(along[i], ay)
    values, slopes = _QUADRATIC[1], _QUADRATIC[2]
    _fit_quadratic(along, values, signals[0])
    _fit_quadratic(smooth, values, signals[1])
    apply_filter(magnitude, _SMOOTH, smooth)
    _fit_quadratic(smooth, slopes, signals[2])
    apply_filter(along, _SMOOTH, smooth)
    _fit_quadratic(smooth, slopes, signals[3])
    unwrap(states, heading)
    apply_filter(heading, _YAW_ACCELERATION, signals[4])
    apply_filter(heading, _YAW_RATE, signals[5])


@kernel
def signals_over_time(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """The six quantities [6, 41] of `QUANTITIES` of one candidate, states [41, 11]."""
    signals = np.empty((N_QUANTITIES, N_STEPS))
    comfort_signals(states, np.empty((4, N_STEPS)), signals)
    return signals


def share_of_bound(signals: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest [n] of the quantities [6, n], each as a share of its bound on that side."""
    bounds = np.where(signals < 0.0, BOUNDS[:, :1], BOUNDS[:, 1:])
    shares: NDArray[np.float64] = (signals / bounds).max(axis=0)
    return shares


@helper
def first_discomfort(signals: NDArray[np.float64]) -> tuple[int, int, float]:
    """First step out of bounds, its quantity, and that quantity's largest excess over the bound.

    (-1, -1, 0.0) where all six hold; a value on the bound does not hold.
    """
    first, quantity = signals.shape[1], -1
    for q in range(N_QUANTITIES):
        for i in range(first):
            if not BOUNDS[q, 0] < signals[q, i] < BOUNDS[q, 1]:  # the bound itself is out of it
                first, quantity = i, q
                break
    if quantity < 0:
        return -1, -1, 0.0
    excess = 0.0
    for i in range(signals.shape[1]):
        value = signals[quantity, i]
        excess = max(excess, value - BOUNDS[quantity, 1], BOUNDS[quantity, 0] - value)
    return first, quantity, excess


def records(raw: Raw, names: Names) -> Records:
    """When comfort is lost, which quantity leaves its bound first, its largest excess [unit]."""
    comfortable = raw["comfort_step"] < 0
    return {
        "failure_time_s": seconds(raw["comfort_step"]),
        "quantity": QUANTITY_NAMES[index(raw["comfort_quantity"])],
        "excess": np.where(comfortable, np.nan, raw["comfort_excess"]),
    }


def _attributes(failure: Failure) -> dict[str, Any]:
    return {
        "detail": failure.record("quantity"),
        "excess": failure.record("excess"),
        "mechanism": mechanism(failure.record("failure_time_s")),
    }


def mechanism(time_s: float) -> str:
    """Mechanism of discomfort.

    In the first half second the plan does not fit the ego's state; more than 0.7 s before it
    (EPDMS looks at the past too) the filter has not seen the plan yet.
    """
    if time_s < -_FILTER_S:
        return HARSH_PAST
    return HARSH_START if time_s <= _START_S else HARSH


def _sentence(row: Mapping[str, Any]) -> str:
    name, time = str(row["detail"]), row["failure_time_s"]
    unit = _UNITS[QUANTITIES.index(name)]
    since = f"from {time:.1f} s on" if time >= 0.0 else f"from {-time:.1f} s before the plan on"
    far = f"by up to {row['excess']:.2g} {unit}"
    return f"{name.replace('_', ' ')} beyond its bound {since}, {far}"


def _trace(cache: SceneCache, states: NDArray[np.float64]) -> Trace:
    return comfort_trace(signals_over_time(np.ascontiguousarray(states)))


def comfort_trace(signals: NDArray[np.float64]) -> Trace:
    """The quantities [6, 41] as one line: the largest share of a bound."""
    what = "share of a comfort bound, the largest of six"
    return Trace(share_of_bound(signals), what, "", bound=1.0, fails_above=True)


EXPLAINER = Explainer(_attributes, _sentence, (SMOOTH, SPEED, EARLIER, BRAKE), trace=_trace)
