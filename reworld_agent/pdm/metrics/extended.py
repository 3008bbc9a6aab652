"""What EPDMS (NAVSIM v2.2) judges beyond PDMS: traffic lights (TLC), lane keeping (LK), and a
driving direction (DDC) that forgives what happens on intersections."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.metrics.direction import direction_score
from reworld_agent.pdm.metrics.progress import nearest_on_line
from reworld_agent.pdm.protocols.scorer import DAC, NC, PROGRESS, TTC_STEP
from reworld_agent.pdm.scene_cache import N_STEPS, SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y
from reworld_agent.pdm.world.geometry import HALF_LENGTH, HALF_WIDTH, RADIUS, REAR_AXLE_TO_CENTER
from reworld_agent.pdm.world.grid import INTERSECTION, ROUTE, mark_held
from reworld_agent.pdm.world.polygon_distance import overlaps
from reworld_agent.pdm.world.scenery import Scenery

# Columns of the result of `extended_metrics`. Steps are -1 where nothing fails.
TLC, LK, DDC, TLC_STEP, TLC_LIGHT, LK_STEP = range(6)
N_EXTENDED = 6
LAST_TTC_STEP = 31  # the replay of v2.2 ends at 4 s, 0.9 s after it

_LANE_DEVIATION = 0.5  # m from the centreline
_LANE_STEPS = 20  # 2 s
_STEPS_PER_FRAME = 5
_MIN_BEST_PROGRESS = 5.0  # m
_W_PROGRESS, _W_TTC, _W_LANE, _W_COMFORT = 5.0, 5.0, 2.0, 2.0


class RedLights(NamedTuple):
    """Polygons of L lights in local coordinates, and when they are red."""

    xy: NDArray[np.float64]  # [V, 2] m; rings are closed
    ring_start: NDArray[np.int64]  # [R + 1]
    polygon_start: NDArray[np.int64]  # [L + 1]
    bounds: NDArray[np.float64]  # [L, 4] low x, low y, high x, high y
    red: NDArray[np.bool_]  # [9, L] at 2 Hz


def make_lights(cache: SceneCache, origin: NDArray[np.float64]) -> RedLights:
    """The lights of a scene cache, local = global − `origin` [2]."""
    xy = np.ascontiguousarray(cache.light_ring_xy - origin)
    first = cache.light_ring_start[cache.light_polygon_ring_start]
    parts = [xy[a:b] for a, b in pairwise(first.tolist())]
    bounds = [np.append(part.min(axis=0), part.max(axis=0)) for part in parts]
    return RedLights(
        xy,
        cache.light_ring_start.astype(np.int64),
        cache.light_polygon_ring_start.astype(np.int64),
        np.array(bounds).reshape(-1, 4),
        np.array(cache.light_red),
    )


@kernel
def extended_metrics(
    states: NDArray[np.float64], scenery: Scenery, lights: RedLights
) -> NDArray[np.float64]:
    """Judge N candidates, each by itself.

    Args:
        states: [N, 41, 11] simulated states, global.
        scenery: the scene; its traffic is not looked at.
        lights: its traffic lights.

    Returns:
        [N, 6]: TLC, LK, DDC, then the first step and light of a red light met and the step at
        which the lane is lost.
    """
    out = np.empty((len(states), N_EXTENDED))
    centers, work = np.empty((N_STEPS, 2)), np.empty(N_STEPS)
    crossing, wrong = np.empty(N_STEPS, np.bool_), np.empty(N_STEPS, np.bool_)
    box = np.empty((5, 2))
    for i in range(len(states)):
        for t in range(N_STEPS):
            _place_center(states[i, t], scenery.origin, centers[t])
        mark_held(scenery.grid, INTERSECTION, centers, crossing)
        mark_held(scenery.grid, ROUTE, centers, wrong)
        for t in range(N_STEPS):
            wrong[t] = not wrong[t] and not crossing[t]
        out[i, DDC] = direction_score(centers, wrong, work)
        out[i, LK_STEP] = _lane_lost(scenery.centerline, scenery.blocks, centers, crossing)
        out[i, LK] = 1.0 if out[i, LK_STEP] < 0 else 0.0
        out[i, TLC_STEP], out[i, TLC_LIGHT] = _red_light_met(states[i], centers, lights, box)
        out[i, TLC] = 1.0 if out[i, TLC_STEP] < 0 else 0.0
    return out


@helper
def _place_center(
    state: NDArray[np.float64], origin: NDArray[np.float64], center: NDArray[np.float64]
) -> None:
    """Centre of the ego box, local [2]; rounded in global coordinates first, as the devkit does."""
    center[0] = (state[X] + REAR_AXLE_TO_CENTER * math.cos(state[HEADING])) - origin[0]
    center[1] = (state[Y] + REAR_AXLE_TO_CENTER * math.sin(state[HEADING])) - origin[1]


@helper
def _lane_lost(
    line: NDArray[np.float64],
    blocks: NDArray[np.float64],
    centers: NDArray[np.float64],
    crossing: NDArray[np.bool_],
) -> int:
    """Step at which the ego has been off the centreline for 2 s; steps on intersections do not
    count, neither way; -1 where it keeps its lane."""
    off = 0
    for t in range(len(centers)):
        if crossing[t]:
            continue
        distance, _, _ = nearest_on_line(line, blocks, centers[t, 0], centers[t, 1])
        off = off + 1 if distance > _LANE_DEVIATION else 0
        if off >= _LANE_STEPS:
            return t
    return -1


@helper
def _red_light_met(
    states: NDArray[np.float64],
    centers: NDArray[np.float64],
    lights: RedLights,
    box: NDArray[np.float64],
) -> tuple[int, int]:
    """First step at which the ego box meets a red connector, and which one; -1, -1 for none."""
    bounds = lights.bounds
    for t in range(len(centers)):
        x, y = centers[t, 0], centers[t, 1]
        for k in range(len(bounds)):
            if not (
                lights.red[t // _STEPS_PER_FRAME, k]
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


def group_scores(raw: NDArray[np.float64], extended: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores [N] by which PDM-Closed v2.2 chooses among its proposals; the first largest wins.

    NC·DAC·TLC·DDC·(5·EP + 5·TTC + 2·LK + 2·HC) / 14, EP relative to the best proposal. PDM-Closed
    does not look at its past, so that HC is always 1.

    Args:
        raw: [N, 17] of `scorer.score_states`, TTC judged to the end.
        extended: [N, 6] of `extended_metrics`.
    """
    multiplier = raw[:, NC] * raw[:, DAC] * extended[:, TLC] * extended[:, DDC]
    best = np.max(raw[:, PROGRESS] * multiplier)
    progress = np.ones(len(raw))
    if best > _MIN_BEST_PROGRESS:
        progress = np.clip(raw[:, PROGRESS] / best, 0.0, 1.0)
    ttc = (raw[:, TTC_STEP] < 0) | (raw[:, TTC_STEP] > LAST_TTC_STEP)
    weighted = _W_PROGRESS * progress + _W_TTC * ttc + _W_LANE * extended[:, LK]
    total = (weighted + _W_COMFORT) / (_W_PROGRESS + _W_TTC + _W_LANE + _W_COMFORT)
    return multiplier * total
