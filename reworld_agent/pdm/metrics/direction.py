"""Driving direction compliance (DDC): metres driven off the route's lanes within a second."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper
from reworld_agent.pdm.metrics.definition.metric import (
    BRAKE,
    EARLIER,
    SHIFT,
    SPEED,
    Explainer,
    Failure,
    Trace,
)
from reworld_agent.pdm.metrics.situations import WRONG_LANE, inside
from reworld_agent.pdm.scene_cache import INTERSECTION, N_STEPS, SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y
from reworld_agent.pdm.world.geometry import REAR_AXLE_TO_CENTER

_WINDOW = 10  # steps before the current one: the devkit's second has 11 steps
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


def off_route(cache: SceneCache, states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metres [41] driven off the route's lanes and off intersections, as DDC of EPDMS counts them.

    Of the ego's centre, within the second up to each step.
    """
    ahead = np.stack([np.cos(states[:, HEADING]), np.sin(states[:, HEADING])], axis=1)
    centres = states[:, [X, Y]] + REAR_AXLE_TO_CENTER * ahead
    allowed = (cache.polygon_kind == INTERSECTION) | cache.polygon_on_route
    wrong = ~inside(cache, allowed, centres)
    steps = np.concatenate([[0.0], np.hypot(*np.diff(centres, axis=0).T)]) * wrong
    total = np.concatenate([np.zeros(_WINDOW + 1), steps.cumsum()])
    driven: NDArray[np.float64] = (total[_WINDOW + 1 :] - total[: -_WINDOW - 1]) * wrong
    return driven


def _attributes(failure: Failure) -> dict[str, Any]:
    driven = off_route(failure.cache, failure.states)
    over = np.flatnonzero(driven >= _COMPLIANT_BELOW)
    return {
        "failure_time_s": round(over[0] / 10, 1) if len(over) else np.nan,
        "excess": float(driven.max()),
        "mechanism": WRONG_LANE,
    }


def _sentence(row: Mapping[str, Any]) -> str:
    far, time = row["excess"], row["failure_time_s"]
    return f"drove {far:.1f} m within a second off the route's lanes, noticed at {time:.1f} s"


def _trace(cache: SceneCache, states: NDArray[np.float64]) -> Trace:
    what = "driven off the route's lanes within a second"
    driven = off_route(cache, states)
    return Trace(driven, what, "m", bound=_COMPLIANT_BELOW, fails_above=True)


EXPLAINER = Explainer(_attributes, _sentence, (SHIFT, SPEED, EARLIER, BRAKE), trace=_trace)
