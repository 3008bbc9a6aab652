"""Scoring trajectories of many scenes, in any process: rows of numbers, one a trajectory.

This module and what it imports stay free of torch: every worker process imports them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.vocabulary import LOG_REPLAY, REACTIVE
from reworld_agent.pdm.api import score
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.golden.finding import require_trust
from reworld_agent.pdm.metrics.registry import columns, score_columns
from reworld_agent.pdm.poses import pose_fault


@dataclass(frozen=True)
class TokenTask:
    """All candidates of one scene.

    Attributes:
        token: the scene.
        candidates: name of each trajectory.
        digests: of each trajectory, the data, the protocol and the code.
        poses: each a flat float64 array of 3 numbers a pose.
        intervals: seconds between the poses of each; None: known from their count.
    """

    token: str
    candidates: tuple[str, ...]
    digests: tuple[str, ...]
    poses: tuple[NDArray[np.float64], ...]
    intervals: tuple[float | None, ...]


@dataclass(frozen=True)
class ChunkTask:
    """What one call in a worker process scores."""

    caches: SceneCaches
    protocol: str
    explain: bool
    scenes: tuple[TokenTask, ...]
    traffic: str = LOG_REPLAY


def score_chunk(task: ChunkTask) -> list[dict[str, Any]]:
    """Rows of some scenes; one that fails says why and leaves the others alone.

    Raises:
        ReWorldError: this process would score wrongly, whatever the scene.
    """
    require_trust(task.traffic)
    return [row for scene in task.scenes for row in _score_scene(task, scene)]


def _score_scene(task: ChunkTask, scene: TokenTask) -> list[dict[str, Any]]:
    plans = list(zip(scene.poses, scene.intervals, strict=True))
    faults = [pose_fault(poses, interval) for poses, interval in plans]
    rows: list[dict[str, Any]] = [
        {"token": scene.token, "candidate": name, "digest": digest, "reason": fault or ""}
        for name, digest, fault in zip(scene.candidates, scene.digests, faults, strict=True)
    ]
    totals = score_columns(task.protocol)
    alike: dict[tuple[int, float | None], list[int]] = {}
    for i, (poses, interval) in enumerate(plans):
        if not faults[i]:
            alike.setdefault((len(poses) // 3, interval), []).append(i)
    for (count, interval), good in alike.items():
        try:
            stacked = np.stack([scene.poses[i].reshape(count, 3) for i in good])
            scores = _scores(task, scene.token, stacked, interval)
        except Exception as error:
            message = error.message if isinstance(error, ReWorldError) else repr(error)
            for i in good:
                rows[i]["reason"] = message
            continue
        for n, i in enumerate(good):
            rows[i].update({name: _plain(values[n]) for name, values in scores.items()})
            if not np.isfinite([rows[i][name] for name in totals]).all():
                rows[i]["reason"] = "the score is not a number"
    empty = dict.fromkeys(columns(task.protocol), float("nan"))
    return [{**empty, **row} for row in rows]


def _scores(
    task: ChunkTask, token: str, poses: NDArray[np.float64], interval_s: float | None
) -> dict[str, Any]:
    cache = task.caches.get(token)
    options: dict[str, Any] = {"protocol": task.protocol, "explain": task.explain}
    if interval_s is not None:
        options["interval_s"] = interval_s
    if task.traffic == REACTIVE:
        options["rails"] = task.caches.rails(cache)
    scores: dict[str, Any] = score(cache, poses, **options)
    return scores


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
