"""Traffic light compliance (TLC, EPDMS): the ego box meets no red lane connector of its route."""

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
    Explainer,
    Failure,
    Trace,
)
from reworld_agent.pdm.metrics.raw_columns import Raw
from reworld_agent.pdm.metrics.records import Names, Records, index, seconds
from reworld_agent.pdm.metrics.situations import RED_LIGHT
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y
from reworld_agent.pdm.world.geometry import HALF_LENGTH, HALF_WIDTH, RADIUS
from reworld_agent.pdm.world.margins import ego_corners, red_light_gap
from reworld_agent.pdm.world.polygon_distance import overlaps
from reworld_agent.pdm.world.red_lights import STEPS_PER_FRAME, RedLights


@helper
def red_light_met(
    states: NDArray[np.float64],
    centers: NDArray[np.float64],
    lights: RedLights,
    box: NDArray[np.float64],
) -> tuple[int, int]:
    """First step at which the ego box meets a red connector, and which one; -1, -1 for none.

    Args:
        states: [41, 11] of which the headings are read.
        centers: [41, 2] centres of the ego box, local [m].
        lights: the scene's.
        box: [5, 2] scratch.
    """
    bounds = lights.bounds
    for t in range(len(centers)):
        x, y = centers[t, 0], centers[t, 1]
        for k in range(len(bounds)):
            if not (
                lights.red[t // STEPS_PER_FRAME, k]
                and bounds[k, 0] <= x + RADIUS
                and bounds[k, 1] <= y + RADIUS
                and bounds[k, 2] >= x - RADIUS
                and bounds[k, 3] >= y - RADIUS
            ):
                continue
            cos, sin = math.cos(states[t, HEADING]), math.sin(states[t, HEADING])
            for c in range(5):
                lon = HALF_LENGTH if c == 0 or c > 2 else -HALF_LENGTH
                lat = HALF_WIDTH if c < 2 or c > 3 else -HALF_WIDTH
                box[c, 0], box[c, 1] = x + lon * cos - lat * sin, y + lon * sin + lat * cos
            first, last = lights.polygon_start[k], lights.polygon_start[k + 1]
            if overlaps(box, lights.xy, lights.ring_start, first, last):
                return t, k
    return -1, -1


def records(raw: Raw, names: Names) -> Records:
    """When a red light is met, and which."""
    light = names.light[index(raw["tlc_light"])]
    return {"failure_time_s": seconds(raw["tlc_step"]), "light": light}


def _attributes(failure: Failure) -> dict[str, Any]:
    return {"detail": failure.record("light"), "mechanism": RED_LIGHT}


def _sentence(row: Mapping[str, Any]) -> str:
    return f"entered turning lane {row['detail']} on red at {row['failure_time_s']:.1f} s"


def _trace(cache: SceneCache, states: NDArray[np.float64]) -> Trace:
    gap = red_light_gap(cache, ego_corners(states[:, [X, Y, HEADING]]))
    return Trace(gap, "gap to the nearest red turning lane", "m", bound=0.0)


EXPLAINER = Explainer(_attributes, _sentence, (EARLIER, BRAKE), trace=_trace)
