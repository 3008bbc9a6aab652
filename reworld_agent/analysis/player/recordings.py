"""Rollouts and imagined futures from disk, as a page plays them.

A *rollout* is a folder with `scene.npz` (the scene cache of its start), `rollout.npz` (see
`Rollout`) and, for each camera, a folder such as `cam_f0` with a picture a step: `00012.jpg`.
An *imagined future* is what `reworld video generate` writes: `futures/NAME.mp4`, and, where they
are there, the same of what really came (`real`) and of the codec's own reconstruction (`codec`).
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.analysis.player.contract import ROLLOUT, MovingScene, empty_scene
from reworld_agent.analysis.player.films import FUTURES, future, picture_of
from reworld_agent.analysis.player.ground import pack_ground
from reworld_agent.analysis.player.packing import pack_path, pack_poses, pack_values
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError, UsageError
from reworld_agent.core.images import load_image
from reworld_agent.core.text import shown
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.world.ego_frame import poses_to_ego, to_ego

Array = NDArray[np.float64]
FORMAT = "reworld-rollout 1"
SCENE_FILE, STEPS_FILE = "scene.npz", "rollout.npz"
_REACH_M = 45.0
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
_AGAIN = "record it again with Rollout.save"


@dataclass(frozen=True)
class Rollout:
    """A drive, step after step; S steps, T objects, P plans of L points. Global frame, m, rad, s.

    Attributes:
        header: `token`, `label` (of the agent), `dt`, `score` or None, and `metrics`: dicts with
            `short`, `title`, `value`, and, for its line, `what`, `unit`, `bound`, `above`;
            `failed` is None or a dict with `step`, `text`, `sentence` and `track` (a token).
        ego, speed: [S, 3] rear-axle poses; [S] m/s.
        plan_step, plans: [P] at which step; [P, L, 2] what was planned then.
        track_token, track_type, track_size, track_pose: as in a scene cache, [S, T, 3] poses.
        traces: [S] values of a metric's line, by its short name.
    """

    header: Mapping[str, Any]
    ego: Array
    speed: Array
    plan_step: NDArray[np.int64]
    plans: Array
    track_token: NDArray[np.str_]
    track_type: NDArray[np.int8]
    track_size: Array
    track_pose: Array
    traces: Mapping[str, Array] = field(default_factory=dict)

    def save(self, folder: Path, scene: SceneCache) -> None:
        """Write the rollout and its scene; raises DataError."""
        text = json.dumps({**self.header, "format": FORMAT}).encode()
        arrays: dict[str, Any] = {name: getattr(self, name) for name in _ARRAYS}
        arrays |= {f"trace_{name}": values for name, values in self.traces.items()}
        arrays["header"] = np.frombuffer(text, np.uint8)
        scene.save(folder / SCENE_FILE)

        def write(partial: Path) -> None:
            with partial.open("wb") as stream:  # given a name, numpy would end it in .npz
                np.savez_compressed(stream, **arrays)

        write_atomically(folder / STEPS_FILE, write)

    @classmethod
    def load(cls, folder: Path) -> Rollout:
        """Read what `save` wrote; raises DataError."""
        path = folder / STEPS_FILE
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            header = json.loads(arrays.pop("header").tobytes())
            traces = {
                name.removeprefix("trace_"): np.asarray(arrays.pop(name), np.float64)
                for name in [*arrays]
                if name.startswith("trace_")
            }
            found = cls(header, **arrays, traces=traces)
            fault = found.fault()
        except _DAMAGE as error:
            raise DataError(f"{shown(path)}: not a whole rollout ({error})", _AGAIN) from error
        if fault:
            raise DataError(f"{shown(path)}: {fault}", _AGAIN)
        return found

    def fault(self) -> str:
        """What is wrong with it, in words; "" where nothing is."""
        steps, tracks = len(self.ego), len(self.track_token)
        wanted = {
            "ego": (steps, 3),
            "speed": (steps,),
            "track_pose": (steps, tracks, 3),
            "track_size": (tracks, 2),
            "plan_step": self.plans.shape[:1],
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                return f"{name} has shape {getattr(self, name).shape}, not {shape}"
        if self.header.get("format") != FORMAT:
            return f"format {self.header.get('format')!r}, not {FORMAT!r}"
        if steps < 2 or not np.isfinite(self.ego).all():
            return "the ego's poses are fewer than two, or not finite"
        return ""


_ARRAYS = (
    *("ego", "speed", "plan_step", "plans"),
    *("track_token", "track_type", "track_size", "track_pose"),
)


def are_in(path: Path) -> bool:
    """Whether a path holds rollouts or imagined futures."""
    return path.is_dir() and (bool(_rollouts(path)) or (path / FUTURES).is_dir())


def _rollouts(path: Path) -> list[Path]:
    """Folders of rollouts: the path itself, those in it, or those of a run of `reworld drive`."""
    own = [path] if (path / STEPS_FILE).is_file() else []
    own = own or sorted(file.parent for file in path.glob(f"*/{STEPS_FILE}"))
    return own or sorted(file.parent for file in path.glob(f"rollouts/*/{STEPS_FILE}"))


def read(path: Path, token: str | None = None, most: int = 24) -> list[MovingScene]:
    """Scenes of a folder of rollouts or futures.

    Args:
        path: see `are_in`.
        token: the name of the only one; None takes the first `most`.
        most: how many.

    Raises:
        UsageError: none has that name. DataError: a file is damaged.
        ReWorldError: films need PyAV or Pillow, which are not installed.
    """
    named = {folder.name: folder for folder in _rollouts(path)}
    named |= {file.stem: file for file in sorted((path / FUTURES).glob("*.mp4"))}
    if token is not None and token not in named:
        usual = ", ".join([*named][:3])
        raise UsageError(
            f"token={token}: {shown(path)} holds none of that name", f"such as {usual}"
        )
    chosen = [token] if token is not None else [*named][:most]
    return [
        future(path, name) if named[name].suffix == ".mp4" else rollout(named[name])
        for name in chosen
    ]


def rollout(folder: Path) -> MovingScene:
    """A rollout as a page plays it; raises DataError."""
    recorded = Rollout.load(folder)
    cache = SceneCache.load(folder / SCENE_FILE)
    start, header = recorded.ego[0], recorded.header
    poses = poses_to_ego(recorded.ego, start)
    window = _window(poses)
    packed = empty_scene(ROLLOUT, folder.name, float(header["dt"]), len(recorded.ego))
    placed = SceneCache(**{**vars(cache), "ego_state": np.concatenate([start, np.zeros(8)])})
    packed["ground"] = pack_ground(placed, window, None)
    packed["notes"] = packed["ground"].pop("notes")
    packed["drives"] = [
        {
            "label": str(header["label"]),
            "poses": pack_poses(poses),
            "speed": pack_values(recorded.speed, 2),
            "asked": [],
            "plans": [
                [int(step), pack_path(to_ego(plan, start))]
                for step, plan in zip(recorded.plan_step, recorded.plans, strict=True)
            ],
            "score": header.get("score"),
            "metrics": [_metric(own, recorded.traces) for own in header.get("metrics", ())],
            "counterfactual": None,
        }
    ]
    packed["tracks"] = _tracks(recorded, start)
    packed["films"], images = _films(folder)
    lost = [own for own in header.get("metrics", ()) if own.get("failed")]
    summary = {
        "score": header.get("score"),
        "metrics": [str(own["short"]) for own in lost],
        "class": "fails" if lost else "passes",
        "city": cache.map_name,
        "log": cache.log_name,
        "sentences": [str(own["failed"]["sentence"]) for own in lost] or ["passes every metric"],
    }
    return MovingScene(folder.name, packed, images, summary, tuple(packed["notes"]))


def _metric(own: Mapping[str, Any], traces: Mapping[str, Array]) -> dict[str, Any]:
    values, failed = traces.get(str(own["short"])), own.get("failed")
    trace = None
    if values is not None:
        keys = {"what": own["title"], "unit": "", "bound": None, "above": False}
        trace = {key: own.get(key, usual) for key, usual in keys.items()}
        trace |= {"values": pack_values(values), "reference": None}
    if failed:
        blank = {"track": None, "point": None, "aheadSteps": 0, "aheadM": 0.0, "text": ""}
        failed = {**blank, "sentence": own["title"], **failed}
    return {
        **{key: own.get(key) for key in ("short", "title", "value")},
        "failed": failed,
        "trace": trace,
    }


def _window(points: Array) -> tuple[float, float, float, float]:
    low, high = points.min(axis=0) - _REACH_M, points.max(axis=0) + _REACH_M
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _tracks(recorded: Rollout, start: Array) -> list[dict[str, Any]]:
    poses = poses_to_ego(recorded.track_pose, start)
    found = []
    for track, name in enumerate(recorded.track_token):
        there = np.flatnonzero(np.isfinite(poses[:, track, 0]))
        for steps in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1):
            if len(steps):
                found.append(
                    {
                        "id": str(name),
                        "type": int(recorded.track_type[track]),
                        "size": [round(float(value), 2) for value in recorded.track_size[track]],
                        "from": int(steps[0]),
                        "to": int(steps[-1]),
                        "poses": pack_poses(poses[steps, track]),
                        "speed": 0.0,
                    }
                )
    return found


def _films(folder: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Camera pictures of a rollout, a film a camera."""
    films, images = [], list[str]()
    for camera in sorted(path for path in folder.glob("cam_*") if path.is_dir()):
        frames = []
        for file in sorted(camera.glob("[0-9]*.jpg")):
            frames.append([int(file.stem), len(images)])
            images.append(picture_of(load_image(file, "a picture of the rollout", _AGAIN, _AGAIN)))
        if frames:
            films.append({"name": camera.name, "frames": frames})
    return films, tuple(images)
