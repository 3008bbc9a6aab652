"""What a submission holds, by version of the leaderboard.

v1.1: `predictions`, a list of one dictionary token → trajectory for each seed.
v2.2: `first_stage_predictions` (logged scenes) and `second_stage_predictions` (synthetic scenes,
whose tokens have 17 digits where logged ones have 16), lists of the same kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HORIZON_S = 4.0  # that is scored
SYNTHETIC_TOKEN_LENGTH = 17


@dataclass(frozen=True)
class Plan:
    """One trajectory.

    Attributes:
        poses: float32 or float64 [T, 3] x, y [m], heading [rad], ego frame at t0; without t0.
        interval_s: between poses [s].
    """

    poses: NDArray[np.floating]
    interval_s: float


Plans = Mapping[str, Plan]


@dataclass(frozen=True)
class Submission:
    """The content of a file.

    Attributes:
        version: `1.1` or `2.2`.
        fields: required entries under the keys of the file.
        stages: for each key of `STAGES[version]` the seeds' plans by token.
    """

    version: str
    fields: Mapping[str, object]
    stages: Mapping[str, tuple[Plans, ...]]
