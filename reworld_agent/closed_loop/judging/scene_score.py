"""AlpaSim's scene score (NVlabs/alpasim, `src/eval`), from its definition, in arrays.

Progress counts in full from 80 % of the recorded driver's way on, and where that was below 5 m; a
collision at fault or a corner off the road takes all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reworld_agent.core.errors import DataError

SATURATION = 0.8  # share of the recorded way from which progress counts in full
LEAST_WAY = 5.0  # m; a shorter recorded way counts in full


def scene_score(
    progress: ArrayLike,
    recorded_m: ArrayLike,
    collision_at_fault: ArrayLike,
    offroad: ArrayLike,
    saturation: float = SATURATION,
    least_m: float = LEAST_WAY,
) -> NDArray[np.float64]:
    """Scene scores [N].

    Args:
        progress: [N] share of the recorded way; clipped to 0 … 1.
        recorded_m: [N] length of the recorded way (m).
        collision_at_fault, offroad: [N] other than 0 where it happened.
        saturation: share from which progress counts in full.
        least_m: m, of a recorded way that is too short to ask for progress.

    Raises:
        DataError: a value is not finite.
    """
    values = [
        np.asarray(a, np.float64) for a in (progress, recorded_m, collision_at_fault, offroad)
    ]
    if not all(np.isfinite(value).all() for value in values):
        raise DataError("a value of a scene is not finite", "score the scenario again")
    share, way, hit, off = values
    earned = np.minimum(np.clip(share, 0.0, 1.0) / saturation, 1.0)
    earned = np.where(way < least_m, 1.0, earned)
    scores: NDArray[np.float64] = np.where((hit != 0.0) | (off != 0.0), 0.0, earned)
    return scores
