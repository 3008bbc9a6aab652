"""Ego progress (EP): metres along the route's centreline."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.geometry import distance_to_segment
from reworld_agent.pdm.kernel import kernel

MIN_BEST_PROGRESS = 5.0  # m; below, everybody who does not fail gets 1


@kernel
def project(
    centerline: NDArray[np.float64], progress: NDArray[np.float64], x: float, y: float
) -> float:
    """Arc length [m] of the point of the polyline [K, 2] nearest to (x, y); the first one wins."""
    best, nearest = math.inf, 0
    for i in range(len(centerline) - 1):
        ax, ay = centerline[i, 0], centerline[i, 1]
        bx, by = centerline[i + 1, 0], centerline[i + 1, 1]
        dx = max(min(ax, bx) - x, x - max(ax, bx), 0.0)
        dy = max(min(ay, by) - y, y - max(ay, by), 0.0)
        if dx > best or dy > best:
            continue
        distance = distance_to_segment(x, y, ax, ay, bx, by)
        if distance < best:
            best, nearest = distance, i
    ax, ay = centerline[nearest, 0], centerline[nearest, 1]
    ux, uy = centerline[nearest + 1, 0] - ax, centerline[nearest + 1, 1] - ay
    square = ux * ux + uy * uy
    if square == 0.0:
        return progress[nearest]
    share = min(max(((x - ax) * ux + (y - ay) * uy) / square, 0.0), 1.0)
    return progress[nearest] + share * math.sqrt(square)


def normalised_progress(
    progress: NDArray[np.float64],
    multiplier: NDArray[np.float64],
    best: NDArray[np.float64],
) -> NDArray[np.float64]:
    """EP of PDMS (NAVSIM v1.1).

    Args:
        progress: [N] metres along the centreline, not negative.
        multiplier: [N] NC·DAC.
        best: [N] largest progress · multiplier of the compared group (PDM-Closed among them).
    """
    raw = progress * multiplier
    long_enough = best > MIN_BEST_PROGRESS
    share = raw / np.where(long_enough, best, 1.0)
    return np.where(long_enough, share, np.where(multiplier == 0.0, 0.0, 1.0))
