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
from reworld_agent.pdm.metrics.registry import columns, score_columns
from reworld_agent.pdm.poses import POSE_COUNTS, pose_fault


@dataclass(frozen=True)
class TokenTask:
    """All candidates of one scene.

    Attributes:
        token: the scene.
        candidates: name of each trajectory.
        digests: of each trajectory, the data, the protocol and the code.
        poses: each a flat float64 array of 24 or 120 numbers.
    """

    token: str
    candidates: tuple[str, ...]
    digests: tuple[str, ...]
    poses: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True)
class ChunkTask:
    """What one call in a worker process scores."""

    caches: SceneCaches
    protocol: str
    explain: bool
    scenes: tuple[TokenTask, ...]
    traffic: str = LOG_REPLAY


def score_chunk(task: ChunkTask) -> list[dict[str, Any]]:
    """Rows of some scenes; one that fails says why and leaves the others alone."""
    return [row for scene in task.scenes for row in _score_scene(task, scene)]


def _score_scene(task: ChunkTask, scene: TokenTask) -> list[dict[str, Any]]:
    faults = [pose_fault(poses) for poses in scene.poses]
    rows: list[dict[str, Any]] = [
        {"token": scene.token, "candidate": name, "digest": digest, "reason": fault or ""}
        for name, digest, fault in zip(scene.candidates, scene.digests, faults, strict=True)
    ]
    totals = score_columns(task.protocol)
    for count in POSE_COUNTS:
        good = [
            i for i, fault in enumerate(faults) if not fault and len(scene.poses[i]) == 3 * count
        ]
        if not good:
            continue
        poses = np.stack([scene.poses[i].reshape(count, 3) for i in good])
        try:
            scores = _scores(task, scene.token, poses)
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


def _scores(task: ChunkTask, token: str, poses: NDArray[np.float64]) -> dict[str, Any]:
    cache = task.caches.get(token)
    options: dict[str, Any] = {"protocol": task.protocol, "explain": task.explain}
    if task.traffic == REACTIVE:
        options["rails"] = task.caches.rails(cache)
    scores: dict[str, Any] = score(cache, poses, **options)
    return scores


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
