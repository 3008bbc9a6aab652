"""Phase two: scores of planned trajectories, in a pool of processes, resumable.

This module and what it imports stay free of torch: every worker process imports them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from reworld_agent.core.errors import DataError
from reworld_agent.core.shards import PartStore
from reworld_agent.core.vocabulary import LOG_REPLAY, check_traffic
from reworld_agent.core.workers import run_tasks
from reworld_agent.pdm.batch import (
    ChunkTask,
    TokenTask,
    score_chunk,
)
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.metrics import added_digest, check_protocol, columns
from reworld_agent.pdm.poses import INTERVAL, intervals_of

ROW_KEYS = ("token", "candidate", "digest")
_CHUNK = 8  # scenes a task: small enough for an honest progress bar
_WORTH_A_POOL = 32  # tasks; starting processes costs seconds, a scene some 20 ms


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
            [40, 3] at 10 Hz; x, y m, heading rad; ego rear-axle frame) and, where poses are
            sampled otherwise, interval_s: the seconds between them.
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
    check_protocol(protocol)
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
    salt = f"{protocol}|{traffic}|{explain}|{caches.digest}{added_digest()}"
    intervals = intervals_of(trajectories.get(INTERVAL), len(trajectories))
    digests = [
        _digest(poses, interval, salt)
        for poses, interval in zip(trajectories["poses"], intervals, strict=True)
    ]
    wanted["digest"] = pd.Series(digests, index=wanted.index, dtype=object)  # also where all failed
    finished = _finished(store)
    todo = [
        index
        for index, key in enumerate(wanted[list(ROW_KEYS)].itertuples(index=False, name=None))
        if key not in finished
    ]
    if todo:
        caches.write_manifest()
        chunks = _chunks(trajectories["poses"].tolist(), intervals, wanted, todo)
        tasks = [ChunkTask(caches, protocol, explain, scenes, traffic) for scenes in chunks]
        if workers is None and len(tasks) < _WORTH_A_POOL and worker == "processes":
            worker = "sequential"
        _run(tasks, store, len(todo), worker, workers)
        caches.write_manifest()
    rows = store.rows()
    if rows.empty:
        rows = pd.DataFrame(columns=[*ROW_KEYS, "reason", *columns(protocol)])
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


def _chunks(
    poses: Sequence[Any],
    intervals: Sequence[float | None],
    wanted: pd.DataFrame,
    todo: list[int],
) -> list[tuple[TokenTask, ...]]:
    """Scenes in the order of the table, which is that of their logs, a few to a task."""
    groups: dict[str, list[int]] = {}
    for index in todo:
        groups.setdefault(str(wanted["token"].iloc[index]), []).append(index)
    scenes = [
        TokenTask(
            token=token,
            candidates=tuple(str(wanted["candidate"].iloc[i]) for i in rows),
            digests=tuple(wanted["digest"].iloc[i] for i in rows),
            poses=tuple(np.asarray(poses[i], dtype=np.float64) for i in rows),
            intervals=tuple(intervals[i] for i in rows),
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


def _digest(poses: Any, interval_s: float | None, salt: str) -> str:
    """Of a trajectory's numbers and of all that its score depends on besides."""
    content = f"{salt}|{interval_s}".encode() + np.asarray(poses, dtype=np.float64).tobytes()
    return hashlib.sha256(content).hexdigest()[:16]
