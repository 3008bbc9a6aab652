"""Driving direction compliance (DDC): metres driven off the route's lanes within a second."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper
from reworld_agent.pdm.scene_cache import N_STEPS

_WINDOW = 10  # steps before the current one
_COMPLIANT_BELOW = 2.0  # m
_VIOLATION_FROM = 6.0  # m


@helper
def direction_score(
    ego: NDArray[np.float64], wrong: NDArray[np.bool_], steps: NDArray[np.float64]
) -> float:
    """1, 0.5 or 0 from the largest distance driven in a window of a second.

    Args:
        ego: [41, ≥2] centre of the ego, x, y [m].
        wrong: [41] steps whose distance counts.
        steps: [41] scratch.
    """
    worst = 0.0
    for t in range(N_STEPS):
        steps[t] = 0.0
        if t > 0 and wrong[t]:
            dx, dy = ego[t, 0] - ego[t - 1, 0], ego[t, 1] - ego[t - 1, 1]
            steps[t] = math.sqrt(dx * dx + dy * dy)
            total = 0.0
            for s in range(max(t - _WINDOW, 0), t + 1):
                total += steps[s]
            worst = max(worst, total)
    if worst < _COMPLIANT_BELOW:
        return 1.0
    return 0.5 if worst < _VIOLATION_FROM else 0.0
