"""Lane keeping (LK, EPDMS): never more than 0.5 m off the centreline for 2 s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper
from reworld_agent.pdm.metrics.definition.metric import (
    SHIFT,
    SMOOTH,
    SPEED,
    Explainer,
    Failure,
    Trace,
)
from reworld_agent.pdm.metrics.raw_columns import Raw
from reworld_agent.pdm.metrics.records import Names, Records, seconds
from reworld_agent.pdm.metrics.situations import OFF_CENTRE
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y
from reworld_agent.pdm.world.geometry import REAR_AXLE_TO_CENTER
from reworld_agent.pdm.world.margins import nearest_on_path
from reworld_agent.pdm.world.polyline import nearest_on_line

_DEVIATION = 0.5  # m from the centreline
_STEPS = 20  # 2 s


@helper
def lane_lost(
    line: NDArray[np.float64],
    blocks: NDArray[np.float64],
    centers: NDArray[np.float64],
    crossing: NDArray[np.bool_],
) -> int:
    """Step at which the ego has been off the centreline for 2 s; -1 where it keeps its lane.

    Args:
        line, blocks: the centreline, local [m], and `polyline.bound_blocks` of it.
        centers: [41, 2] centres of the ego box, local [m].
        crossing: [41] steps on an intersection.
    """
    off = 0
    for t in range(len(centers)):
        if crossing[t]:  # neither counts nor interrupts the count: the 2 s need not be in one piece
            continue
        distance, _, _ = nearest_on_line(line, blocks, centers[t, 0], centers[t, 1])
        off = off + 1 if distance > _DEVIATION else 0
        if off >= _STEPS:
            return t
    return -1


def records(raw: Raw, names: Names) -> Records:
    """When the lane is lost."""
    return {"failure_time_s": seconds(raw["lk_step"])}


def _attributes(failure: Failure) -> dict[str, Any]:
    return {"mechanism": OFF_CENTRE}


def _sentence(row: Mapping[str, Any]) -> str:
    time = row["failure_time_s"]
    return f"more than 0.5 m off the lane's centre for 2 s in all, reached at {time:.1f} s"


def _trace(cache: SceneCache, states: NDArray[np.float64]) -> Trace:
    ahead = np.stack([np.cos(states[:, HEADING]), np.sin(states[:, HEADING])], axis=1)
    centres = states[:, [X, Y]] + REAR_AXLE_TO_CENTER * ahead
    apart, _ = nearest_on_path(cache.centerline[:, :2], centres)
    what = "distance from the lane's centre, for 2 s outside junctions"
    return Trace(apart, what, "m", bound=_DEVIATION, fails_above=True)


EXPLAINER = Explainer(_attributes, _sentence, (SHIFT, SMOOTH, SPEED), trace=_trace)
