"""The hard negative of a scene: the unsafe candidate nearest to the expert (Eqs. 13 to 15)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import ConfigError
from reworld_agent.planner.actions import DRIVELAW_RANGE

SPACES = ("normalised", "raw")


@dataclass(frozen=True)
class SelectionSettings:
    """What counts as unsafe, and as near.

    Attributes:
        delta: a candidate whose score is below is unsafe.
        space: distances of poses `normalised` by DriveLaW's ranges (the paper's second version)
            or `raw`, metres and radians as they are (its first version, BeyondDrive).
    """

    delta: float = 0.6
    space: str = "normalised"

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            message = f"hard_negatives.space={self.space} does not exist"
            raise ConfigError(message, "use hard_negatives.space = " + " | ".join(SPACES))
        if not 0 < self.delta <= 1:
            message = f"hard_negatives.delta = {self.delta}"
            raise ConfigError(message, "PDM scores lie in [0, 1]: use 0.6")


def nearest_unsafe(
    candidates: NDArray[np.floating],
    scores: NDArray[np.floating],
    expert: NDArray[np.floating],
    settings: SelectionSettings,
) -> int | None:
    """Number of the hard negative among candidates, or None where none is unsafe.

    Args:
        candidates: [N, L, 3] m, m, rad; ego frame.
        scores: [N] PDM scores in [0, 1]; NaN = not scored, never a negative.
        expert: [L, 3].
        settings: see there.
    """
    unsafe = np.flatnonzero(scores < settings.delta)
    if not len(unsafe):
        return None
    difference = candidates[unsafe].astype(np.float64) - expert
    if settings.space == "normalised":
        difference = difference / (np.array(DRIVELAW_RANGE) / 2)
    return int(unsafe[np.square(difference).sum(axis=2).mean(axis=1).argmin()])
