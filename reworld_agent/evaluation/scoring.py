"""Phase two: scores of planned trajectories, in a pool of processes, resumable.

This module and what it imports stay free of torch: every worker process imports them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from reworld_agent.core.errors import ConfigError, DataError, ReWorldError
from reworld_agent.core.shards import PartStore
from reworld_agent.core.workers import run_tasks
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.compiling import ensure_compiled

PROTOCOL_METRICS = {
    "pdms_v1": (
        "no_at_fault_collisions",
        "drivable_area_compliance",
        "ego_progress",
        "time_to_collision_within_bound",
        "comfort",
        "driving_direction_compliance",
        "score",
    ),
    # After the human filter; `score` is without EC, which needs two frames (pdm.epdms).
    "epdms_v2": (
        "no_at_fault_collisions",
        "drivable_area_compliance",
        "driving_direction_compliance",
        "traffic_light_compliance",
        "ego_progress",
        "time_to_collision_within_bound",
        "lane_keeping",
        "history_comfort",
        "score",
    ),
}
BOTH = "both"  # the two from one simulation, every column named <protocol>_<column>
PROTOCOLS = (*PROTOCOL_METRICS, BOTH)
LOG_REPLAY, REACTIVE = TRAFFIC = ("log_replay", "reactive")
ROW_KEYS = ("token", "candidate", "digest")
POSE_COUNTS = (8, 40)  # 2 Hz, 10 Hz over 4 s
_CHUNK = 8  # scenes a task: small enough for an honest progress bar
_WORTH_A_POOL = 32  # tasks; starting processes costs seconds, a scene some 20 ms


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


def score_trajectories(
    trajectories: pd.DataFrame,
    caches: SceneCaches,
    store: PartStore,
    protocol: str = "pdms_v1",
    worker: str = "processes",
    workers: int | None = None,
    explain: bool = False,
    traffic: str = LOG_REPLAY,
) -> pd.DataFrame:
    """Score every row of a table, each alone beside PDM-Closed.

    Args:
        trajectories: columns token, candidate, poses (24 or 120 numbers: [8, 3] at 2 Hz or
            [40, 3] at 10 Hz; x, y m, heading rad; ego rear-axle frame).
        caches: scene caches of the split.
        store: keeps finished rows; rows that are in it are not scored again.
        protocol: `pdms_v1`, `epdms_v2` or `both`.
        worker, workers: see `run_tasks`; a few scenes stay in this process unless `workers` says
            otherwise.
        explain: also the failure records.
        traffic: `log_replay`, or `reactive`: vehicles answer to each plan (only `epdms_v2`).

    Returns:
        One row for each of the table's, in its order: token, candidate, reason ("" where the
        score stands, else why there is none), then the metrics, NaN where there is a reason.

    Raises:
        ConfigError: unknown protocol, traffic or worker.
        DataError: a trajectory is named twice, or a row cannot be written (finished ones are kept).
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(
            f"protocol={protocol} is unknown", f"use protocol={' | '.join(PROTOCOLS)}"
        )
    check_traffic(traffic, protocol)
    wanted = trajectories[["token", "candidate"]].copy()
    twice = wanted[wanted.duplicated()]
    if len(twice):
        first = twice.iloc[0]
        raise DataError(
            f"{len(twice)} trajectories are named twice, first token {first['token']}, "
            f"candidate {first['candidate']}",
            "give each trajectory of a scene its own candidate name",
        )
    salt = f"{protocol}|{traffic}|{explain}|{caches.digest}"
    wanted["digest"] = [_digest(poses, salt) for poses in trajectories["poses"]]
    finished = _finished(store)
    todo = [
        index
        for index, key in enumerate(wanted[list(ROW_KEYS)].itertuples(index=False, name=None))
        if key not in finished
    ]
    if todo:
        caches.write_manifest()
        chunks = _chunks(trajectories, wanted, todo)
        tasks = [ChunkTask(caches, protocol, explain, scenes, traffic) for scenes in chunks]
        if workers is None and len(tasks) < _WORTH_A_POOL and worker == "processes":
            worker = "sequential"
        _run(tasks, store, len(todo), worker, workers)
        caches.write_manifest()
    rows = store.rows()
    if rows.empty:
        rows = pd.DataFrame(columns=[*ROW_KEYS, "reason", *metric_columns(protocol)])
    merged = wanted.merge(rows, on=list(ROW_KEYS), how="left", validate="one_to_one")
    merged["reason"] = merged["reason"].fillna("not scored")
    return merged.drop(columns="digest")


def _run(
    tasks: Sequence[ChunkTask], store: PartStore, count: int, worker: str, workers: int | None
) -> None:
    with tqdm(total=count, desc="scoring", unit="trajectory", delay=2.0) as progress:
        try:
            ensure_compiled()  # here, once: each process of a pool would compile for itself
            for rows in run_tasks(score_chunk, tasks, worker, workers):
                store.add(rows)
                progress.update(len(rows))
        finally:
            store.flush()


def check_traffic(traffic: str, protocol: str) -> None:
    """Raise ConfigError where there is no such traffic in this protocol."""
    if traffic not in TRAFFIC:
        raise ConfigError(f"traffic={traffic} is unknown", f"use traffic={' | '.join(TRAFFIC)}")
    if traffic == REACTIVE and protocol != "epdms_v2":
        raise ConfigError(
            f"traffic=reactive is of NAVSIM v2; protocol={protocol} replays the log",
            "set protocol=epdms_v2, or traffic=log_replay",
        )


def metric_columns(protocol: str) -> tuple[str, ...]:
    """Columns of the metrics and the score in the rows of `protocol`, which may be `both`."""
    if protocol != BOTH:
        return PROTOCOL_METRICS[protocol]
    return tuple(f"{name}_{m}" for name, metrics in PROTOCOL_METRICS.items() for m in metrics)


def score_chunk(task: ChunkTask) -> list[dict[str, Any]]:
    """Rows of some scenes; one that fails says why and leaves the others alone."""
    return [row for scene in task.scenes for row in _score_scene(task, scene)]


def _score_scene(task: ChunkTask, scene: TokenTask) -> list[dict[str, Any]]:
    faults = [pose_fault(poses) for poses in scene.poses]
    rows: list[dict[str, Any]] = [
        {"token": scene.token, "candidate": name, "digest": digest, "reason": fault or ""}
        for name, digest, fault in zip(scene.candidates, scene.digests, faults, strict=True)
    ]
    metrics = metric_columns(task.protocol)
    totals = [name for name in metrics if name.endswith("score")]
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
    return [{**dict.fromkeys(metrics, float("nan")), **row} for row in rows]


def _scores(task: ChunkTask, token: str, poses: NDArray[np.float64]) -> dict[str, Any]:
    from reworld_agent import pdm

    cache = task.caches.get(token)
    options: dict[str, Any] = {"protocol": task.protocol, "explain": task.explain}
    if task.traffic == REACTIVE:
        options["rails"] = task.caches.rails(cache)
    scores: dict[str, Any] = pdm.score(cache, poses, **options)
    return scores


def pose_fault(poses: NDArray[np.float64]) -> str | None:
    """Why a flat array cannot be scored as a trajectory, or None."""
    if poses.ndim != 1 or len(poses) not in [3 * count for count in POSE_COUNTS]:
        return f"poses hold {poses.size} numbers, not 24 ([8, 3] at 2 Hz) or 120 ([40, 3] at 10 Hz)"
    if not np.isfinite(poses).all():
        return "poses are not finite"
    return None


def _chunks(
    trajectories: pd.DataFrame, wanted: pd.DataFrame, todo: list[int]
) -> list[tuple[TokenTask, ...]]:
    """Scenes in the order of the table, which is that of their logs, a few to a task."""
    groups: dict[str, list[int]] = {}
    for index in todo:
        groups.setdefault(str(wanted["token"].iloc[index]), []).append(index)
    poses = trajectories["poses"].tolist()
    scenes = [
        TokenTask(
            token=token,
            candidates=tuple(str(wanted["candidate"].iloc[i]) for i in rows),
            digests=tuple(wanted["digest"].iloc[i] for i in rows),
            poses=tuple(np.asarray(poses[i], dtype=np.float64) for i in rows),
        )
        for token, rows in groups.items()
    ]
    return [tuple(scenes[i : i + _CHUNK]) for i in range(0, len(scenes), _CHUNK)]


def _finished(store: PartStore) -> set[tuple[str, ...]]:
    """Keys of the rows that have a score; those that failed are tried again."""
    rows = store.rows()
    if rows.empty:
        return set()
    return set(rows.loc[rows["reason"] == "", list(ROW_KEYS)].itertuples(index=False, name=None))


def _digest(poses: Any, salt: str) -> str:
    """Of a trajectory's numbers and of all that its score depends on besides."""
    content = salt.encode() + np.asarray(poses, dtype=np.float64).tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
