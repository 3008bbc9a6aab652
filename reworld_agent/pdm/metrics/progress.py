"""Ego progress (EP): metres along the route's centreline, relative to the best of a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.definition.metric import (
    SHIFT,
    SPEED,
    Explainer,
    Failure,
    Trace,
)
from reworld_agent.pdm.metrics.situations import LEAD, OFF_ROUTE, SLOW, STANDSTILL, gap_ahead
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y
from reworld_agent.pdm.simulate.rollout import reference_states
from reworld_agent.pdm.world.geometry import REAR_AXLE_TO_CENTER
from reworld_agent.pdm.world.margins import nearest_on_path

MIN_BEST_PROGRESS = 5.0  # m; below, everybody who does not fail gets 1
_BLOCKED_M = 12.0
_STANDSTILL_M = 1.0
_ON_THE_WAY = 0.8


def normalised_progress(
    progress: NDArray[np.float64],
    multiplier: NDArray[np.float64],
    best: NDArray[np.float64] | np.float64,
) -> NDArray[np.float64]:
    """EP of PDMS (NAVSIM v1.1), which holds the multipliers once more.

    Args:
        progress: [N] metres along the centreline, not negative.
        multiplier: [N] NC·DAC.
        best: [N] or one number, largest progress · multiplier of the compared group, PDM-Closed
            among them.
    """
    raw = progress * multiplier
    long_enough = best > MIN_BEST_PROGRESS
    share = raw / np.where(long_enough, best, 1.0)
    # where nobody gets far, all get 1 who do not fail
    return np.where(long_enough, share, np.where(multiplier == 0.0, 0.0, 1.0))


def progress_share(
    progress: NDArray[np.float64], best: NDArray[np.float64] | np.float64
) -> NDArray[np.float64]:
    """EP of EPDMS (NAVSIM v2.2), without the multipliers: who is better than `best` gets 1.

    Args:
        progress: [N] metres along the centreline, not negative.
        best: [N] or one number, largest progress · multipliers of the compared group.
    """
    share = np.clip(progress / np.where(best > 0.0, best, 1.0), 0.0, 1.0)
    return np.where(best > MIN_BEST_PROGRESS, share, 1.0)


def mechanism(
    cache: SceneCache, states: NDArray[np.float64], progress_m: float, reference_m: float
) -> str:
    """Mechanism of little progress."""
    driven = float(np.hypot(*np.diff(states[:, [X, Y]], axis=0).T).sum())
    if driven > _ON_THE_WAY * reference_m and progress_m < _ON_THE_WAY * driven:
        return OFF_ROUTE
    if gap_ahead(cache, states) < _BLOCKED_M:
        return LEAD
    return STANDSTILL if driven < _STANDSTILL_M else SLOW


def _attributes(failure: Failure) -> dict[str, Any]:
    own, other = failure.scored["progress_m"], failure.scored["pdm_closed_progress_m"]
    return {"mechanism": mechanism(failure.cache, failure.states, own, other)}


def _sentence(row: Mapping[str, Any]) -> str:
    own, other = row["progress_m"], row["pdm_closed_progress_m"]
    return f"got {own:.1f} m along the route in 4 s, PDM-Closed gets {other:.1f} m"


def _along(cache: SceneCache, states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metres [41] along the route since t0, of the ego's centre."""
    ahead = np.stack([np.cos(states[:, HEADING]), np.sin(states[:, HEADING])], axis=1)
    centres = states[:, [X, Y]] + REAR_AXLE_TO_CENTER * ahead
    _, arc = nearest_on_path(cache.centerline[:, :2], centres)
    return arc - arc[0]


def _trace(cache: SceneCache, states: NDArray[np.float64]) -> Trace:
    other = reference_states(cache)
    reference = _along(cache, other) if other is not None else None
    return Trace(_along(cache, states), "way along the route", "m", reference=reference)


EXPLAINER = Explainer(_attributes, _sentence, (SPEED, SHIFT), trace=_trace)
