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
    """Times at `fps` from the first to the last of `times` (ascending)."""
    count = int(np.floor((times[-1] - times[0]) * fps + _SLACK * fps)) + 1
    return times[0] + np.arange(count, dtype=np.float64) / fps
