"""Scenes of runs as a page plays them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from reworld_agent.analysis.explanation.counterfactuals import dense
from reworld_agent.analysis.explanation.traits import traits
from reworld_agent.analysis.player.cameras import FRAMES, Pictures, read_log, read_stage_two
from reworld_agent.analysis.player.contract import (
    SCENE,
    STAGE_TWO,
    MovingScene,
    empty_scene,
)
from reworld_agent.analysis.player.drives import Drive, Row, ego_poses, pack_drive
from reworld_agent.analysis.player.ground import (
    Window,
    crosswalks_near,
    pack_ground,
    pack_lights,
    red_of_route,
    window_of,
)
from reworld_agent.analysis.player.packing import pack_poses
from reworld_agent.analysis.tables.runs import Run, open_run
from reworld_agent.analysis.tables.score_tables import ScoreTable, read_table
from reworld_agent.analysis.tables.settings import RunSettings
from reworld_agent.core.errors import ReWorldError, UsageError
from reworld_agent.core.text import shown
from reworld_agent.core.vocabulary import PDMS_V1
from reworld_agent.core.workers import run_tasks
from reworld_agent.pdm.metrics import SCORE, short_name
from reworld_agent.pdm.scene_cache import N_STEPS, SceneCache
from reworld_agent.pdm.simulate.rollout import reference_states
from reworld_agent.pdm.world.ego_frame import poses_to_ego
from reworld_agent.scenes.scene_pickles import scene_pickle_path

Array = NDArray[np.float64]
_WORTH_A_POOL = 48  # scenes; starting processes costs seconds


@dataclass(frozen=True)
class SceneTask:
    """One scene to gather.

    Attributes:
        run: the run with this scene alone (`Run.alone`).
        token: the scene.
        rows: its failures; None where they are to be found.
        other: another run with this scene alone, drawn beside.
        cameras: whose pictures are wanted.
        key_frames: only those of t0 and of the first failure.
        outcome: whether the scene is won against the other run.
    """

    run: Run
    token: str
    rows: tuple[Row, ...] | None = None
    other: Run | None = None
    cameras: tuple[str, ...] = ()
    key_frames: bool = False
    outcome: str = ""


def gather(task: SceneTask) -> MovingScene:
    """All that a page plays of one scene; what cannot be had is noted."""
    token, caches = task.token, task.run.caches
    try:
        cache = caches.get(token)
        drives = [pack_drive(task.run, token, cache, task.rows)]
    except ReWorldError as error:
        return _unplayed(task, error.message)
    notes: list[str] = []
    if task.other is not None:
        try:
            drives.append(pack_drive(task.other, token, cache))
        except ReWorldError as error:
            notes.append(f"{task.other.table.label}: {error.message}")
    frames = _frames(drives[0]) if task.key_frames else range(FRAMES)
    second = caches.synthetic_scenes and scene_pickle_path(caches.synthetic_scenes, token)
    if second and second.is_file():
        kind, pictures = STAGE_TWO, read_stage_two(second, task.cameras)
    else:
        roots = caches.data_root, caches.data_split
        kind, pictures = SCENE, read_log(*roots, token, task.cameras, frames)
    packed = _pack(task.run, cache, drives, pictures)
    packed["kind"] = kind
    packed["notes"] = [*notes, *pictures.notes, *packed["ground"].pop("notes")]
    return MovingScene(
        token, packed, pictures.images, _summary(task, cache, drives[0]), tuple(packed["notes"])
    )


def _frames(drive: Drive) -> list[int]:
    """Numbers of the frames (2 Hz) of t0 and of the worst failure."""
    failed = [own["failed"] for own in drive.packed["metrics"] if own["failed"]]
    return sorted({0, *(own["step"] // 5 for own in failed[:1])})


def _pack(
    run: Run, cache: SceneCache, drives: Sequence[Drive], pictures: Pictures
) -> dict[str, Any]:
    ego = cache.ego_state[:3]
    packed = empty_scene(SCENE, cache.token, 0.1, N_STEPS)
    shown = [ego_poses(cache, drive.states) for drive in drives]
    if len(cache.human_poses) and np.isfinite(cache.human_poses).all():
        human = dense(np.array(cache.human_poses))
        packed["human"] = pack_poses(human)
        shown.append(human)
    reference = reference_states(cache, newer=run.table.protocol.name != PDMS_V1)
    if reference is not None:
        shown.append(ego_poses(cache, reference))
        packed["reference"] = pack_poses(shown[-1])
    window = window_of(np.concatenate(shown))
    crosswalks = crosswalks_near([cache], run.caches.maps_root)
    lights = pictures.lights if pictures.lights is not None else red_of_route(cache)
    return {
        **packed,
        "log": cache.log_name,
        "city": cache.map_name,
        "drives": [drive.packed for drive in drives],
        "tracks": list(_tracks(cache, ego, window)),
        "ground": pack_ground([cache], ego, window, crosswalks),
        "lights": pack_lights([cache], ego, lights, window),
        "cameras": list(pictures.cameras),
    }


def _tracks(cache: SceneCache, ego: Array, window: Window) -> Iterable[dict[str, Any]]:
    """Objects that come into the window, each unbroken sighting by itself."""
    poses = poses_to_ego(cache.track_pose, ego)
    low, high = np.array(window[:2]), np.array(window[2:])
    within = ((poses[..., :2] > low) & (poses[..., :2] < high)).all(axis=2).any(axis=0)
    for track in np.flatnonzero(within).tolist():
        there = np.flatnonzero(np.isfinite(poses[:, track, 0]))
        for steps in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1):
            own = poses[steps, track]
            stands = bool((np.ptp(own, axis=0) < 1e-9).all())
            yield {
                "id": str(cache.track_token[track]),
                "type": int(cache.track_type[track]),
                "size": [round(float(value), 2) for value in cache.track_size[track]],
                "from": int(steps[0]),
                "to": int(steps[-1]),
                "poses": pack_poses(own[:1] if stands else own),
                "speed": round(float(cache.track_speed[track]), 2),
            }


def _summary(task: SceneTask, cache: SceneCache, drive: Drive) -> dict[str, Any]:
    first: Mapping[str, Any] = drive.rows[0] if drive.rows else {}
    own = traits(cache, dense(task.run.plan(task.token), task.run.intervals.get(task.token)))
    return {
        "score": drive.packed["score"],
        "metrics": [str(row["metric"]) for row in drive.rows],
        "class": str(first.get("class", "passes")),
        "command": str(own["command"]),
        "city": str(own["city"]),
        "speed": round(float(str(own["speed_mps"])), 1),
        "log": cache.log_name,
        "sentences": [str(row["sentence"]) for row in drive.rows] or ["passes every metric"],
        "outcome": task.outcome,
    }


def _unplayed(task: SceneTask, reason: str) -> MovingScene:
    """A scene of which nothing but its row can be had."""
    packed = empty_scene(SCENE, task.token, 0.1, N_STEPS)
    packed["notes"] = [reason]
    rows = task.rows or ()
    score = task.run.scores(task.token).get(short_name(SCORE))
    summary = {
        "score": score if score is not None and np.isfinite(score) else None,
        "metrics": [str(row["metric"]) for row in rows],
        "class": str(rows[0]["class"]) if rows else "",
        "command": "",
        "city": "",
        "speed": None,
        "log": "",
        "sentences": [str(row["sentence"]) for row in rows] or [reason],
        "outcome": task.outcome,
    }
    return MovingScene(task.token, packed, (), summary, (reason,))


def gather_all(tasks: Sequence[SceneTask], workers: int | None = None) -> list[MovingScene]:
    """`gather` of many scenes, in their order; in processes where there are many."""
    worker = "processes" if workers or len(tasks) >= _WORTH_A_POOL else "sequential"
    done = run_tasks(gather, tasks, worker, workers)
    bar = tqdm(done, total=len(tasks), desc="gathering", unit="scene", delay=2.0)
    found = {scene.token: scene for scene in bar}
    return [found[task.token] for task in tasks]


def open_beside(folder: Path, run: Run) -> tuple[Run, Run]:
    """A run and another, shown in its scenes, their labels told apart.

    Raises:
        UsageError: the other is of other scenes, or of another protocol. Else as `open_run`.
    """
    wanted, found = (
        run.table.protocol.name,
        read_table(folder, of_both=run.table.protocol.name).protocol,
    )
    if found.name != wanted:
        raise UsageError(
            f"beside={shown(folder)}: scored by {found.name}, the run by {wanted}",
            "name a run of the same protocol, or score its trajectories by that",
        )
    other = open_run(RunSettings(run=folder, protocol=run.table.protocol.name), run.caches)
    if not run.poses.index.isin(other.poses.index).any():
        splits = [own.table.provenance.get("split", "unknown") for own in (run, other)]
        raise UsageError(
            f"beside={shown(folder)}: has no scene of this run; the run is of the split "
            f"{splits[0]}, the other of {splits[1]}",
            "name a run of the same split",
        )
    labels = told_apart(run.table, other.table)
    first, second = (
        replace(own, table=replace(own.table, label=label))
        for own, label in zip((run, other), labels, strict=True)
    )
    return first, second


def told_apart(a: ScoreTable, b: ScoreTable) -> tuple[str, str]:
    """Labels of two tables, with their folders where they are of one name."""
    if a.label != b.label:
        return a.label, b.label
    first, second = (path.parent.absolute() for path in (a.path, b.path))
    names = [first.name, second.name] if first.name != second.name else ["first", "second"]
    return f"{a.label} ({names[0]})", f"{b.label} ({names[1]})"
