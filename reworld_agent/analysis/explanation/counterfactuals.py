"""Small changes of a plan: what if it had braked earlier, kept further left, driven slower?

Every variant keeps the plan's start and is a full 10 Hz trajectory that the simulator can drive.
Plans are [41, 3]: x, y [m], heading [rad], ego frame at t0, at 0.0, 0.1 … 4.0 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.definition.metric import BRAKE, EARLIER, SHIFT, SMOOTH, SPEED
from reworld_agent.pdm.poses import interval_of

Array = NDArray[np.float64]

DT = 0.1
N_STEPS = 41
TIMES = np.arange(N_STEPS) * DT

EARLIER_S = (0.2, 0.4, 0.6, 0.8, 1.0)
BRAKE_FROM_S = (3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.0)
SHIFTS_M = (0.5, -0.5, 1.0, -1.0)
SLOWER = (0.9, 0.8, 0.6)
FASTER = (1.1, 1.25, 1.5)
FIRM_MPS2 = 3.0  # a braking that stays within the comfort bounds
_BRAKES_MPS = 1.0  # loss of speed from which a plan is said to brake
_RAMP_S = 1.0  # time in which a lateral shift is reached
_SMOOTH_STEPS = 11  # window of the smoothed plan


@dataclass(frozen=True)
class Variant:
    """A changed plan.

    Attributes:
        family: kind of change.
        amount: s earlier, s after t0, m to the left, factor of the speed, or s of smoothing.
        text: the change in words, to be followed by `passes`.
        poses: [40, 3] at 0.1 … 4.0 s.
    """

    family: str
    amount: float
    text: str
    poses: Array


def dense(poses: Array, interval_s: float | None = None) -> Array:
    """Plan [41, 3] from poses [L, 3], joined as the devkit does: it stands still after the last.

    Without the seconds between them, 8 poses are at 2 Hz and 40 at 10 Hz.
    """
    interval = interval_of(len(poses), interval_s)
    knots = np.concatenate([np.zeros((1, 3)), poses])
    knots[:, 2] = np.unwrap(knots[:, 2])
    times = np.arange(len(knots)) * interval
    return np.stack([np.interp(TIMES, times, knots[:, i]) for i in range(3)], axis=1)


def distances(plan: Array) -> Array:
    """Distance driven [41] in m."""
    return np.concatenate([[0.0], np.hypot(*np.diff(plan[:, :2], axis=0).T).cumsum()])


def along(plan: Array, driven: Array) -> Array:
    """The plan's path, driven so that `driven` [41] m lie behind at each step."""
    own = distances(plan)
    keep = np.concatenate([[True], np.diff(own) > 1e-9])
    path = np.stack([np.interp(driven, own[keep], plan[keep, i]) for i in range(3)], axis=1)
    beyond = np.maximum(driven - own[-1], 0.0)
    path[:, 0] += beyond * np.cos(plan[-1, 2])
    path[:, 1] += beyond * np.sin(plan[-1, 2])
    return path


def speeds(plan: Array) -> Array:
    """Speed [40] in m/s over each step."""
    return np.diff(distances(plan)) / DT


def brakes(plan: Array) -> bool:
    """Whether the plan slows down by 1 m/s or more."""
    speed = speeds(plan)
    return bool((np.maximum.accumulate(speed) - speed).max() >= _BRAKES_MPS)


def braking_earlier(plan: Array, seconds: float) -> Array:
    """The plan's speeds, each `seconds` sooner; its last one is kept."""
    speed = speeds(plan)
    moved = np.interp(TIMES[:-1] + seconds, TIMES[:-1], speed)
    return along(plan, np.concatenate([[0.0], (moved * DT).cumsum()]))


def braking_from(plan: Array, start_s: float) -> Array:
    """The plan until `start_s`, then 3 m/s² down to standstill, never faster than planned."""
    speed = speeds(plan)
    first = min(round(start_s / DT), len(speed) - 1)
    falling = speed[first] - FIRM_MPS2 * (TIMES[:-1] - start_s)
    limit = np.where(TIMES[:-1] < start_s, np.inf, np.maximum(falling, 0.0))
    return along(plan, np.concatenate([[0.0], (np.minimum(speed, limit) * DT).cumsum()]))


def shifted(plan: Array, metres: float) -> Array:
    """The plan moved to its left by `metres`, reached smoothly within 1 s."""
    share = np.clip(TIMES / _RAMP_S, 0.0, 1.0)
    offset = metres * share**2 * (3.0 - 2.0 * share)
    moved = plan.copy()
    moved[:, 0] -= offset * np.sin(plan[:, 2])
    moved[:, 1] += offset * np.cos(plan[:, 2])
    forward = np.maximum(np.gradient(distances(plan)), 1e-3)
    moved[:, 2] += np.arctan(np.clip(np.gradient(offset) / forward, -0.5, 0.5))
    return moved


def smoothed(plan: Array) -> Array:
    """Moving average over 1 s that leaves the first and last pose where they are."""
    half = _SMOOTH_STEPS // 2
    padded = np.pad(plan, ((half, half), (0, 0)), mode="reflect", reflect_type="odd")
    kernel = np.full(_SMOOTH_STEPS, 1.0 / _SMOOTH_STEPS)
    return np.stack([np.convolve(padded[:, i], kernel, "valid") for i in range(3)], axis=1)


def variants(plan: Array) -> list[Variant]:
    """All variants of a plan [41, 3], each family from the smallest change on."""
    return [
        Variant(family, amount, text, changed[1:]) for family, amount, text, changed in _all(plan)
    ]


def _all(plan: Array) -> Iterator[tuple[str, float, str, Array]]:
    if brakes(plan):
        for seconds in EARLIER_S:
            text = f"braking {seconds:.1f} s earlier"
            yield EARLIER, seconds, text, braking_earlier(plan, seconds)
    for start in BRAKE_FROM_S:
        text = f"braking at {FIRM_MPS2:g} m/s² from {start:.1f} s on"
        yield BRAKE, start, text, braking_from(plan, start)
    for metres in SHIFTS_M:
        side = "left" if metres > 0 else "right"
        yield SHIFT, metres, f"{abs(metres):g} m further {side}", shifted(plan, metres)
    for factor in (*SLOWER, *FASTER):
        word = "slower" if factor < 1.0 else "faster"
        text = f"driving {abs(100 * (factor - 1)):.0f} % {word}"
        yield SPEED, factor, text, along(plan, factor * distances(plan))
    yield SMOOTH, _SMOOTH_STEPS * DT, "the same plan smoothed over 1 s", smoothed(plan)
