"""The scorer: `score` for the candidates of one scene, `score_many` for many scenes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.parents import stop_workers
from reworld_agent.core.workers import start_worker, starts
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.golden.log_replay import require_golden
from reworld_agent.pdm.metrics.records import Records
from reworld_agent.pdm.poses import check_poses
from reworld_agent.pdm.protocols.score import score_scene
from reworld_agent.pdm.protocols.scored_scene import ScoredScene
from reworld_agent.pdm.scene_cache import SceneCache

if TYPE_CHECKING:
    from reworld_agent.pdm.traffic.rails import Rails


def load(path: str | Path) -> SceneCache:
    """Read a scene cache; raises DataError where it is missing, half-written or outdated."""
    return SceneCache.load(path)


def score(
    cache: SceneCache | ScoredScene,
    poses: Any,
    protocol: str = "pdms_v1",
    explain: bool = False,
    rails: Rails | None = None,
    interval_s: float | None = None,
) -> Records:
    """Score N candidates of one scene, each alone with PDM-Closed as the devkit does.

    Args:
        cache: the scene. What is computed once for it (`ScoredScene`) is kept as long as the cache
            object is, whose arrays must therefore not change; or the `ScoredScene` itself.
        poses: float [N, 8, 3] at 2 Hz or [N, 40, 3] at 10 Hz: x, y [m] and heading [rad] of the
            rear axle in the ego frame at t0 (x forward, y left), 0.5 … 4.0 or 0.1 … 4.0 s; with
            `interval_s` any [N, L, 3].
        protocol: `pdms_v1` (PDMS of NAVSIM v1.1), `epdms_v2` (EPDMS of v2.2, see
            `protocols.epdms`), or `both` in one go, with each column named by its protocol:
            `pdms_v1_score` …
        explain: also when and why each metric fails (columns `<metric>_failure_time_s` …) and
            whether the logged driver fails too (`<metric>_human_fails`, NaN without a logged
            future).
        rails: of `traffic.rails.build_rails`: the vehicles around react to each candidate, as in
            NAVSIM v2.2 with `traffic_agents=reactive`; None replays the log. Only `epdms_v2`.
        interval_s: seconds between two poses, and from t0 to the first: the `interval_length` of
            the devkit's `TrajectorySampling`. What lies beyond 4 s is cut off, and a plan that
            ends before stands still at its last pose, as in the devkit.

    Returns:
        For `pdms_v1` float64 [N] each: no_at_fault_collisions, drivable_area_compliance,
        ego_progress, time_to_collision_within_bound, comfort, driving_direction_compliance,
        score, progress_m, pdm_closed_progress_m.

    Raises:
        DataError: the poses have another shape, are not numbers, not finite, or none.
        SceneError: the scene cannot be scored (no PDM-Closed trajectory, NaN ego state ...).
        ConfigError: the protocol is unknown, or knows no reactive traffic.
        ReWorldError: a metric that was added from outside fails; or this process would score
            wrongly, as its numeric libraries or the golden scene say (`pdm.golden`).
    """
    _require_golden(rails)
    scene = ScoredScene.of(cache)
    checked = check_poses(poses, scene.cache.token, interval_s)
    return score_scene(scene, checked, protocol, explain, rails, interval_s)


def _require_golden(rails: Rails | None) -> None:
    if rails is None:
        require_golden()
        return
    # shapely and the maps take half a second to import, and whoever has rails has imported them
    from reworld_agent.pdm.golden.reactive import require_reactive  # noqa: PLC0415

    require_reactive()


def score_many(
    caches: Sequence[SceneCache | ScoredScene | str | Path],
    poses: Any,
    protocol: str = "pdms_v1",
    explain: bool = False,
    workers: int = 1,
    progress: bool = True,
    interval_s: float | Sequence[float | None] | None = None,
) -> list[Records]:
    """Score the candidates of many scenes.

    Args:
        caches: the scenes, or the files of their caches (each is read where it is scored).
        poses: one array of candidates for each scene, or one [N, L, 3] for all of them.
        protocol: as for `score`.
        explain: as for `score`.
        workers: processes; 1 stays in this one. They are spawned: a script that asks for more
            needs `if __name__ == "__main__":`.
        progress: show a bar when it takes more than five seconds.
        interval_s: as for `score`; one for all scenes, or one for each.

    Returns:
        The result of `score` for each scene, in order.

    Raises:
        DataError: as for `score`, or the numbers of scenes, candidate arrays or intervals differ.
    """
    shared = isinstance(poses, np.ndarray) and poses.ndim == 3
    each = [poses] * len(caches) if shared else list(poses)
    if len(each) != len(caches):
        raise DataError(f"{len(caches)} scenes but candidates for {len(each)}")
    intervals = interval_s if isinstance(interval_s, Sequence) else [interval_s] * len(caches)
    if len(intervals) != len(caches):
        raise DataError(f"{len(caches)} scenes but intervals for {len(intervals)}")
    tasks = [
        (cache, own, protocol, explain, interval)
        for cache, own, interval in zip(caches, each, intervals, strict=True)
    ]
    done = _run(tasks, workers)
    return list(tqdm(done, total=len(tasks), delay=5.0, unit="scene", disable=not progress))


_Task = tuple[SceneCache | ScoredScene | str | Path, Any, str, bool, float | None]


def _run(tasks: list[_Task], workers: int) -> Iterator[Records]:
    if workers <= 1 or len(tasks) < 2:
        yield from map(_score_task, tasks)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    ensure_compiled()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, start_worker, (starts(),)) as pool:
        try:
            yield from pool.map(_score_task, tasks, chunksize=max(len(tasks) // (8 * workers), 1))
        except BaseException:
            stop_workers(pool)
            raise


def _score_task(task: _Task) -> Records:
    cache, poses, protocol, explain, interval_s = task
    scene = load(cache) if isinstance(cache, str | Path) else cache
    return score(scene, poses, protocol, explain, interval_s=interval_s)
