"""A driven scenario as windows of 4 s that the PDM scorer's own metrics read.

The windows follow one another; the last one ends where the scenario ends. What the ego drove is
judged, not what it planned: states, boxes and lights are those of the world at 10 Hz.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.contacts import Surroundings
from reworld_agent.closed_loop.sight import FRAME_TICKS
from reworld_agent.closed_loop.stage import Stage
from reworld_agent.pdm.cache_io.build import build_from_moments
from reworld_agent.pdm.metrics.drivable_area import distances_outside
from reworld_agent.pdm.metrics.raw_columns import Raw, by_name
from reworld_agent.pdm.metrics.ttc import LAST_STEP_V1
from reworld_agent.pdm.scene_cache import N_REPLAY_STEPS, N_STEPS, SceneCache
from reworld_agent.pdm.scorer.common import score_states
from reworld_agent.pdm.scorer.extended import extended_metrics
from reworld_agent.pdm.simulate.bicycle import VX
from reworld_agent.pdm.world.frames import Moment, boxes
from reworld_agent.pdm.world.red_lights import make_red_lights
from reworld_agent.pdm.world.scenery import make_scenery
from reworld_agent.scenes.maps.city import CityMap

Array = NDArray[np.float64]
_PAST = 15  # ticks of logged past that a scene has
_LAST = N_STEPS - 1  # ticks of a window


@dataclass(frozen=True)
class Window:
    """Four seconds of a drive.

    Attributes:
        start: tick of its first state.
        cache: the scene at that tick, its traffic as it then came to be.
        states: [41, 11] driven, global.
        raw: what the scorer's kernels find, one row.
    """

    start: int
    cache: SceneCache
    states: Array
    raw: Raw


def windows(stage: Stage, around: Surroundings, city: CityMap) -> Iterator[Window]:
    """The windows of a drive from tick 0 to the stage's present one.

    Raises:
        SceneError: a window has no road or no route nearby.
    """
    before = -1
    for start in window_starts(stage.tick, _LAST):
        judged = min(before + _LAST, start) if before >= 0 else -1
        yield _window(stage, around, city, start, judged)
        before = start


def window_starts(last: int, length: int) -> list[int]:
    """Where windows of a length begin that cover 0 … last; the last one may overlap another."""
    starts = list(range(0, max(last - length, 0) + 1, length))
    return [*starts, last - length] if starts[-1] + length < last else starts


def _window(stage: Stage, around: Surroundings, city: CityMap, start: int, judged: int) -> Window:
    """One window; contacts that another has judged, up to tick `judged`, are left out."""
    last = stage.tick
    ticks = range(start, min(start + N_REPLAY_STEPS, last + 1))
    past = [_moment(stage, tick) for tick in range(start - _PAST, start + 1, FRAME_TICKS)]
    future = [_moment(stage, tick) for tick in ticks if (tick - start) % FRAME_TICKS == 0]
    cache = build_from_moments(past, future, city)
    cache = replace(cache, track_pose=_exact(stage, cache, start, ticks))
    touching = around.touched(stage.ticks[judged].moment) if judged >= 0 else []
    if judged >= 0:
        gone = np.isin(cache.track_token, [stage.things.tracks[k] for k in touching])
        cache.track_pose[:, gone] = np.nan
    states = window_states(np.array([stage.ticks[tick].state for tick in ticks]))
    return Window(start, cache, states, judged_states(cache, states))


def window_states(driven: Array) -> Array:
    """States [41, 11] of a window from those [T, 11] driven since its start.

    A drive that was shorter stands at its end.
    """
    states: Array = driven[np.minimum(np.arange(N_STEPS), len(driven) - 1)]
    states[len(driven) :, VX:] = 0.0
    return states


def judged_states(cache: SceneCache, states: Array) -> Raw:
    """What the scorer's kernels find in a window's scene and its driven states [41, 11]."""
    scenery = make_scenery(cache)
    rows = score_states(states[None], scenery, LAST_STEP_V1)
    extended_metrics(states[None], scenery, make_red_lights(cache, scenery.origin), rows)
    distances_outside(scenery.grid, scenery.origin, states[None], rows)
    return by_name(rows)


def _moment(stage: Stage, tick: int) -> Moment:
    frame, state = stage.frame(tick), stage.ticks[tick].state
    return Moment(frame, state, boxes(frame, state[:3]))


def _exact(stage: Stage, cache: SceneCache, start: int, ticks: range) -> Array:
    """Where the tracks [51, T, 3] were at each tick; NaN beyond the end of the drive."""
    number = {token: k for k, token in enumerate(stage.things.tracks)}
    chosen = [number[str(token)] for token in cache.track_token]
    poses = np.full(cache.track_pose.shape, np.nan)
    for tick in ticks:
        now = stage.things.now(stage.ticks[tick].moment)[0][chosen]
        now[:, :2] += stage.origin
        now[:, 2] = (now[:, 2] + np.pi) % (2 * np.pi) - np.pi
        poses[tick - start] = now
    return poses
