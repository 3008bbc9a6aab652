"""What the recording of a drive shows of its metrics: lines over time, where each is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.analysis.explanation.annotation import annotation_of
from reworld_agent.analysis.player.ground import crosswalks_near
from reworld_agent.closed_loop.judging.verdict import Verdict
from reworld_agent.closed_loop.judging.windows import Window
from reworld_agent.closed_loop.sight import FRAME_TICKS
from reworld_agent.closed_loop.stage import TICK
from reworld_agent.pdm.metrics import Trace, metric
from reworld_agent.pdm.metrics.table import DRIVE, EP, MP, TLC
from reworld_agent.pdm.scene_cache import SceneCache

Array = NDArray[np.float64]
_NOT_OF_WINDOWS = (EP, MP, TLC)  # judged over the whole drive, and otherwise than in one plan
_NEW_MAP_M = 60.0  # from where the last map was taken
UNKNOWN = -1


def traces(verdict: Verdict, ticks: int) -> dict[str, Trace]:
    """What decides each metric at each of the ticks [ticks], by its short name."""
    found: dict[str, Trace] = {}
    for row in (metric(name) for name in DRIVE.official):
        if row in _NOT_OF_WINDOWS or row.explainer is None or row.explainer.trace is None:
            continue
        values = np.full(ticks, np.nan)
        for window in verdict.windows:
            own = row.explainer.trace(window.cache, window.states)
            part = values[window.start : window.start + len(own.values)]
            part[:] = np.where(np.isnan(part), own.values[: len(part)], part)
            found[row.short] = replace(own, values=values, reference=None)
    return found


def mark(verdict: Verdict, lost: Mapping[str, Any]) -> dict[str, Any]:
    """Where a metric is lost, as `analysis.player.rollouts.Rollout` takes it.

    Args:
        verdict: of the drive.
        lost: a row of `failures.failures`.
    """
    time, token = float(lost["failure_time_s"]), str(lost["object_token"])
    step = 0 if np.isnan(time) else max(round(time / TICK), 0)
    found: dict[str, Any] = {
        "step": step,
        "text": str(lost["class"]),
        "sentence": lost["sentence"],
        "track": token or None,
    }
    window = next((own for own in verdict.windows if _holds(own, step, token)), None)
    if window is None or np.isnan(time):
        return found
    shifted = {**lost, "failure_time_s": (step - window.start) * TICK}
    own = annotation_of(window.cache, window.states, shifted)
    found |= {"text": own.text or found["text"]}
    found |= {"aheadSteps": own.ahead_steps, "aheadM": round(own.ahead_m, 2)}
    if own.point is not None:
        found["point"] = _to_global(own.point, window.cache.ego_state[:3]).tolist()
    return found


def _holds(window: Window, step: int, token: str) -> bool:
    """Whether a window has a tick and, where one is named, an object."""
    within = window.start <= step < window.start + len(window.states)
    return within and (not token or token in window.cache.track_token)


def _to_global(point: Array, ego: Array) -> Array:
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    turned: Array = ego[:2] + point @ np.array([[cos, sin], [-sin, cos]])
    return turned


def signals(verdict: Verdict, ticks: int) -> tuple[NDArray[np.str_], NDArray[np.int8]]:
    """Lane connectors [K] of the route that are red at some time, and their states [F, K] at 2 Hz.

    1 red, 0 not red, `UNKNOWN` where no window sees them.
    """
    caches = [window.cache for window in verdict.windows]
    names = sorted({str(name) for cache in caches for name in cache.light_id})
    states = np.full(((ticks - 1) // FRAME_TICKS + 1, len(names)), UNKNOWN, np.int8)
    for window in verdict.windows:
        known = {str(name): i for i, name in enumerate(window.cache.light_id)}
        first = window.start // FRAME_TICKS
        part = states[first : first + len(window.cache.light_red)]
        for column in range(len(names)):
            if names[column] in known:
                part[:, column] = window.cache.light_red[: len(part), known[names[column]]]
            elif names[column] in window.cache.polygon_id:
                part[:, column] = np.maximum(part[:, column], 0)
    return np.array(names, np.str_), states


def crosswalks(scenes: list[SceneCache], maps_root: Path) -> dict[str, Any]:
    """The crosswalks around scenes, as `analysis.player.rollouts.Rollout` takes them."""
    shapes = crosswalks_near(scenes, maps_root)[0]
    rings = [shapely.get_coordinates(shapely.get_exterior_ring(own))[:-1] for own in shapes]
    starts = np.cumsum([0, *map(len, rings)], dtype=np.int64)
    found = np.concatenate([np.empty((0, 2)), *rings])
    return {"crosswalk_start": starts, "crosswalk_xy": found}


def maps(verdict: Verdict) -> list[SceneCache]:
    """The scene of the start, and one wherever the drive has left the map of the one before."""
    chosen = [verdict.windows[0].cache]
    for window in verdict.windows[1:]:
        moved = window.cache.ego_state[:2] - chosen[-1].ego_state[:2]
        if np.hypot(*moved) > _NEW_MAP_M:
            chosen.append(window.cache)
    return chosen
