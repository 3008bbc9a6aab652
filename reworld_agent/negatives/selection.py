"""The hard negative of a scene: the unsafe candidate nearest to the expert (Eqs. 13 to 15)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.negatives.settings import NegativeSettings
from reworld_agent.planner.actions import DRIVELAW_RANGE


def nearest_unsafe(
    candidates: NDArray[np.floating],
    scores: NDArray[np.floating],
    expert: NDArray[np.floating],
    settings: NegativeSettings,
) -> int | None:
    """Number of the hard negative among candidates, or None where none is unsafe.

    Args:
        candidates: [N, L, 3] m, m, rad; ego frame.
        scores: [N] PDM scores in [0, 1]; NaN = not scored, never a negative.
        expert: [L, 3].
        settings: see there; of no recipe, poses are normalised.

    Raises:
        DataError: candidates of another number of poses than the expert's.
    """
    if candidates.shape[1:] != expert.shape:
        raise DataError(
            f"candidates of {candidates.shape[1]} poses, the expert has {len(expert)}",
            "take a pool of the model's own horizon",
        )
    unsafe = np.flatnonzero(scores < settings.delta)
    if not len(unsafe):
        return None
    difference = candidates[unsafe].astype(np.float64) - expert
    if settings.space != "raw":
        difference = difference / (np.array(DRIVELAW_RANGE) / 2)
    return int(unsafe[np.square(difference).sum(axis=2).mean(axis=1).argmin()])
