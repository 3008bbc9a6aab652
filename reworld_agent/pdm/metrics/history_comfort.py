"""History comfort (HC, EPDMS): comfort of the plan with the logged past before it.

The same six quantities and bounds as in PDMS, but at the centre of the vehicle and with shorter
windows.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.metrics.comfort import (
    EXPLAINER as _COMFORT,
)
from reworld_agent.pdm.metrics.comfort import (
    N_QUANTITIES,
    QUANTITY_NAMES,
    apply_filter,
    comfort_trace,
    first_discomfort,
    savgol_weights,
    unwrap,
)
from reworld_agent.pdm.metrics.definition.metric import Trace
from reworld_agent.pdm.metrics.raw_columns import RAW, Raw
from reworld_agent.pdm.metrics.records import Names, Records, index
from reworld_agent.pdm.scene_cache import SceneCache
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

_STEP_US = 100_000
_NO_STEP = -1000.0


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
        # v2.2 no longer gives the filters all samples as a window: its defaults 8 and 15 hold
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
        [H, 11].
    """
    if len(states) < 2:
        return np.empty((0, N_STATE))
    samples = np.arange(time_us[0], time_us[-1], _STEP_US)[:-1]  # the devkit drops the last one
    knots = np.array(states)
    knots[:, HEADING] = np.unwrap(knots[:, HEADING])
    low = np.clip(np.searchsorted(time_us, samples), 1, len(states) - 1) - 1
    span = (time_us[low + 1] - time_us[low]).astype(np.float64)
    slope = (knots[low + 1] - knots[low]) / span[:, None]
    past: NDArray[np.float64] = slope * (samples - time_us[low])[:, None] + knots[low]
    past[:, HEADING] = (past[:, HEADING] + math.pi) % (2.0 * math.pi) - math.pi
    # the devkit's interpolation of logged states leaves angular motion and steering out
    past[:, [STEERING_RATE, YAW_RATE, YAW_ACCELERATION]] = 0.0
    past[:, STEERING] = 0.0
    return past


@kernel
def history_comfort(
    states: NDArray[np.float64],
    past: NDArray[np.float64],
    weights: Filters,
    raw: NDArray[np.float64],
) -> None:
    """HC of N candidates.

    Args:
        states: [N, 41, 11] simulated states.
        past: [H, 11] of `past_at_10_hz`; none is allowed only where HC is not asked for.
        weights: `filters(H + 41)`.
        raw: [N, N_RAW] of `score_states`; its columns from `hc` to `hc_excess` are filled.
    """
    n_past, n = len(past), len(past) + states.shape[1]
    joined, work = np.empty((n, N_STATE)), np.empty((4, n))
    signals = np.empty((N_QUANTITIES, n))
    for t in range(n_past):
        for j in range(N_STATE):
            joined[t, j] = past[t, j]
    for i in range(len(states)):
        for t in range(states.shape[1]):
            for j in range(N_STATE):
                joined[n_past + t, j] = states[i, t, j]
        _signals(joined, weights, work, signals)
        step, quantity, excess = first_discomfort(signals)
        out = raw[i]
        out[RAW.hc] = 1.0 if quantity < 0 else 0.0
        out[RAW.hc_step] = _NO_STEP if quantity < 0 else step - n_past
        out[RAW.hc_quantity], out[RAW.hc_excess] = quantity, excess


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
        # To the vehicle's centre along x only, a_x + d ω² + d α; a_y and the magnitude stay behind.
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


@kernel
def history_signals(joined: NDArray[np.float64], weights: Filters) -> NDArray[np.float64]:
    """The six quantities [6, n] of states [n, 11], the logged past before the plan."""
    signals = np.empty((N_QUANTITIES, len(joined)))
    _signals(joined, weights, np.empty((4, len(joined))), signals)
    return signals


def _trace(cache: SceneCache, states: NDArray[np.float64]) -> Trace:
    past = past_at_10_hz(cache.past_states, cache.past_time_us)
    joined = np.concatenate([past, states])
    return comfort_trace(history_signals(joined, filters(len(joined)))[:, len(past) :])


EXPLAINER = replace(_COMFORT, trace=_trace)


def records(raw: Raw, names: Names) -> Records:
    """When comfort is lost (negative: in the logged past), by which quantity, and how far."""
    fine = raw["hc"] > 0.0
    return {
        "failure_time_s": np.where(fine, np.nan, np.round(raw["hc_step"] / 10, 1)),
        "quantity": QUANTITY_NAMES[index(raw["hc_quantity"])],
        "excess": np.where(fine, np.nan, raw["hc_excess"]),
    }
