"""The drive score of a log that was driven: the same windows, the same formula."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.judging.verdict import drive_score, progress
from reworld_agent.closed_loop.judging.windows import judged_states, window_starts, window_states
from reworld_agent.closed_loop.replay.world import LOST, TICKS, LogWorld
from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.cache_io.build import build_from_moments
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.metrics import SCORE
from reworld_agent.pdm.metrics.table import DAC, DRIVE
from reworld_agent.pdm.world.frames import Moment
from reworld_agent.pdm.world.margins import nearest_on_path
from reworld_agent.scenes.maps.city import open_city_map

_WINDOW, _REPLAY, _PAST = 8, 11, 4  # frames: of a window, of its traffic, up to its start


@dataclass(frozen=True)
class LogVerdict:
    """Scores of one driven log.

    Attributes:
        values: the metrics of `pdm.metrics.table.DRIVE` and its score; TLC is EPDMS's.
        progress_m, logged_m: along the logged path, driven and logged.
        left_at: s at which the ego left the logged pictures' neighbourhood; NaN for never.
    """

    values: dict[str, float]
    progress_m: float
    logged_m: float
    left_at: float


def judge_log(world: LogWorld) -> LogVerdict:
    """Judge what was driven up to now; raises DataError where the city's map is missing."""
    ensure_compiled()
    count = world.tick // TICKS
    values = dict.fromkeys(DRIVE.official, 1.0)
    try:
        for start in window_starts(count, _WINDOW):
            found = DRIVE.values(_raw(world, start, count))
            values |= {name: min(values[name], float(own[0])) for name, own in found.items()}
    except SceneError:
        values[DAC.name] = 0.0  # no road or route near the ego
    if world.reason == LOST:
        values[DAC.name] = 0.0
    way, logged = _ways(world, count)
    values |= progress(way, logged)
    values[SCORE] = drive_score(values)
    left = np.nan if world.left_at is None else world.left_at
    return LogVerdict(values, way, logged, left)


def _raw(world: LogWorld, start: int, count: int) -> NDArray[np.void]:
    """What the scorer's kernels find in the window from frame `start` on."""
    past = [world.moment(k) for k in range(start - _PAST + 1, start + 1)]
    window = [world.moment(k) for k in range(start, min(start + _REPLAY, count + 1))]
    logged = world.log.moments(world.start + count + 1, world.start + start + _REPLAY)
    city = open_city_map(world.maps_root, window[0].frame["map_location"])
    cache = build_from_moments(past, [*window, *logged], city)
    return judged_states(cache, window_states(world.states[start * TICKS :]))


def _ways(world: LogWorld, count: int) -> tuple[float, float]:
    """Metres along the logged path: driven, and logged in the same time."""
    moments: list[Moment] = world.log.moments(world.start, world.last + 1)
    path = np.array([moment.state[:2] for moment in moments])
    keep = np.append(True, np.hypot(*np.diff(path, axis=0).T) > 1e-3)
    if keep.sum() < 2:
        return 0.0, 0.0
    arc = nearest_on_path(path[keep], np.stack([world.states[-1, :2], path[count]]))[1]
    return float(arc[0]), float(arc[1])
