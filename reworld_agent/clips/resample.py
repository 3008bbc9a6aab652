"""Frames at a steady rate from frames at any times, by nearest timestamp.

Times are seconds in float64; where a source counts microseconds they are taken relative to its
first frame, so that nothing is lost to rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
_SLACK = 1e-6  # s: a frame at exactly the end of the grid still counts


def nearest(times: Times, wanted: Times) -> NDArray[np.int64]:
    """Index into `times` [N] (ascending) of the nearest to each of `wanted` [K]; ties go back."""
    if len(times) == 1:
        return np.zeros(len(wanted), dtype=np.int64)
    right = np.clip(np.searchsorted(times, wanted, side="left"), 1, len(times) - 1)
    left = right - 1
    closer_left = wanted - times[left] <= times[right] - wanted + _SLACK
    return np.where(closer_left, left, right).astype(np.int64)


def steady_grid(times: Times, fps: float) -> Times:
    """Times at `fps` from the first to the last of `times` (ascending).

    Clocks jitter: 24 frames at 8 Hz may span a little less than 23 / 8 s and are 24 all the same.
    So the last time of the grid may lie behind the last frame, by less than half a step of the
    frames and of the grid.
    """
    count = 1
    if len(times) > 1:
        slack = min(0.5 * float(np.median(np.diff(times))), 0.5 / fps) - _SLACK
        count += int(np.floor((times[-1] - times[0] + max(slack, _SLACK)) * fps))
    return times[0] + np.arange(count, dtype=np.float64) / fps
