"""The drive score of a log that was driven: the same windows, the same formula."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.ego import FASTEST
from reworld_agent.closed_loop.judging.scene_score import scene_score
from reworld_agent.closed_loop.judging.verdict import Verdict, drive_score, progress
from reworld_agent.closed_loop.judging.windows import (
    Window,
    judged_states,
    window_starts,
    window_states,
)
from reworld_agent.closed_loop.replay.frames import FRAME, TICKS
from reworld_agent.closed_loop.replay.world import LOST, LogWorld
from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.cache_io.build import build_from_moments
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.metrics import SCORE
from reworld_agent.pdm.metrics.table import DAC, DRIVE, EP, MP, NC
from reworld_agent.pdm.world.frames import Moment
from reworld_agent.pdm.world.margins import nearest_on_path
from reworld_agent.scenes.maps.city import open_city_map

LEFT_LOG = "left_log"
LOG_COLUMNS = (LEFT_LOG, "within_log_s", "farthest_m")  # of tables, beside a town's
_WINDOW, _REPLAY, _PAST = 8, 11, 4  # frames: of a window, of its traffic, up to its start


def judge_log(world: LogWorld) -> Verdict:
    """Judge what was driven up to now: TLC is EPDMS's, the worst window's.

    `more` has LOG_COLUMNS too: whether the ego left the logged pictures' neighbourhood (1 or 0),
    for how long it was within (s), and how far from the logged ego it came (m).

    Raises:
        DataError: the city's map is missing.
        SceneError: the log itself cannot be judged, whoever drives: a frame that a window of the
            whole piece begins with has no route on the map, or the logged ego jumps.
    """
    ensure_compiled()
    count, fault = world.tick // TICKS, ""
    _require_judgeable(world, count)
    values = dict.fromkeys(DRIVE.official, 1.0)
    judged: list[Window] = []
    try:
        for window in _windows(world, count):
            judged.append(window)
            found = DRIVE.values(window.raw)
            values |= {name: min(values[name], float(own[0])) for name, own in found.items()}
    except SceneError as error:
        fault = error.message  # no road or route near the ego
    if fault:
        values[DAC.name] = 0.0
    way, logged = _ways(world, count)
    values |= progress(way, logged)
    lost = world.reason == LOST
    if lost:  # what it drove cannot be judged to its end
        values[MP.name] = 0.0
    values[SCORE] = drive_score(values)
    share, hit = values[EP.name], lost or values[NC.name] < 1.0
    more = {
        "alpasim_score": float(scene_score([share], [logged], [hit], [values[DAC.name] < 1.0])[0]),
        "route_completion": share,
        "progress_m": way,
        "recorded_m": logged,
        "end_time_s": world.time,
        LEFT_LOG: 0.0 if world.left_at is None else 1.0,
        "within_log_s": world.time if world.left_at is None else world.left_at,
        "farthest_m": world.farthest,
    }
    return Verdict(values, more, tuple(judged), None, fault)


def _require_judgeable(world: LogWorld, count: int) -> None:
    """Raise SceneError where a drive's score would say something of the log, not of the agent."""
    whole = world.last - world.start
    for start in {*window_starts(whole, _WINDOW), *window_starts(count, _WINDOW)}:
        world.require_ground(start)
    moments: list[Moment] = world.log.moments(world.start, world.last + 1)
    steps = np.hypot(*np.diff([moment.state[:2] for moment in moments], axis=0).T)
    if steps.max() > FASTEST * FRAME:
        number = int(steps.argmax())
        raise SceneError(
            f"{world.log.path}: the logged ego jumps {steps.max():.0f} m to frame "
            f"{moments[number + 1].frame['token']}",
            "leave the log out",
        )


def _windows(world: LogWorld, count: int) -> Iterator[Window]:
    """The windows of a drive of `count` frames; SceneError where one has no road or route."""
    for start in window_starts(count, _WINDOW):
        past = [world.moment(k) for k in range(start - _PAST + 1, start + 1)]
        window = [world.moment(k) for k in range(start, min(start + _REPLAY, count + 1))]
        logged = world.log.moments(world.start + count + 1, world.start + start + _REPLAY)
        city = open_city_map(world.maps_root, window[0].frame["map_location"])
        cache = build_from_moments(past, [*window, *logged], city)
        states = window_states(world.states[start * TICKS :])
        yield Window(start * TICKS, cache, states, judged_states(cache, states))


def _ways(world: LogWorld, count: int) -> tuple[float, float]:
    """Metres along the logged path: driven, and logged in the same time."""
    moments: list[Moment] = world.log.moments(world.start, world.last + 1)
    path: NDArray[np.float64] = np.array([moment.state[:2] for moment in moments])
    keep = np.append(True, np.hypot(*np.diff(path, axis=0).T) > 1e-3)
    if keep.sum() < 2:
        return 0.0, 0.0
    arc = nearest_on_path(path[keep], np.stack([world.states[-1, :2], path[count]]))[1]
    return float(arc[0]), float(arc[1])
