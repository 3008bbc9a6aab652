"""Rollouts from disk, as a page plays them.

A *rollout* is a folder with `scene.npz` (the scene cache of its start; where it leaves that map
also `scene_2.npz` and so on), `rollout.npz` (see `Rollout`) and, for each camera, a folder such
as `cam_f0` with a picture a step: `00012.jpg`.
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
import shapely
from numpy.typing import NDArray

from reworld_agent.analysis.player.contract import ROLLOUT, MovingScene, empty_scene
from reworld_agent.analysis.player.films import picture_of
from reworld_agent.analysis.player.ground import Crosswalks, pack_ground, pack_lights, window_of
from reworld_agent.analysis.player.packing import pack_path, pack_poses, pack_values
from reworld_agent.analysis.player.rollout_header import header_fault
from reworld_agent.analysis.tables.files import ROLLOUTS
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError
from reworld_agent.core.images import load_image
from reworld_agent.core.text import shown
from reworld_agent.pdm.scene_cache import TRACK_TYPES, SceneCache
from reworld_agent.pdm.world.ego_frame import poses_to_ego, to_ego

Array = NDArray[np.float64]
FORMAT = "reworld-rollout 1"
SCENE_FILE, STEPS_FILE = "scene.npz", "rollout.npz"
_STATES = {-1: "-", 0: "g", 1: "r"}  # of signals
_DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RecursionError),
    *(zipfile.BadZipFile, zlib.error),
)
_AGAIN = "record it again with Rollout.save"


@dataclass(frozen=True)
class Rollout:
    """A drive, step after step; S steps, T objects, P plans of L points. Global frame, m, rad, s.

    Attributes:
        header: `token`, `label` (of the agent), `dt`, `score` or None, and `metrics`: dicts with
            `short`, `title`, `value`, and, for its line, `what`, `unit`, `bound`, `above`;
            `failed` is None or a dict with `step`, `text`, `sentence`, `track` (a token), `point`
            (a corner off the road) and, of TTC, `aheadSteps` and `aheadM`.
        ego, speed: [S, 3] rear-axle poses; [S] m/s.
        plan_step, plans: [P] at which step; [P, L, 2] what was planned then.
        track_token, track_type, track_size, track_pose: as in a scene cache, [S, T, 3] poses.
        traces: [S] values of a metric's line, by its short name.
        light_id, light_red: [K] lane connectors with a signal; [F, K] every 0.5 s 1 where it is
            red, 0 where not, -1 where that is not known.
        crosswalk_start, crosswalk_xy: [C + 1], [n, 2] outlines of the crosswalks, each from one
            start to the next; None where nobody has looked for them.
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
    light_id: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, np.str_))
    light_red: NDArray[np.int8] = field(default_factory=lambda: np.empty((0, 0), np.int8))
    crosswalk_start: NDArray[np.int64] | None = None
    crosswalk_xy: Array = field(default_factory=lambda: np.empty((0, 2)))

    def save(self, folder: Path, *scenes: SceneCache) -> None:
        """Write the rollout and the scenes that hold its map, the first of its start.

        Raises:
            DataError: a file cannot be written.
        """
        text = json.dumps({**self.header, "format": FORMAT}).encode()
        arrays: dict[str, Any] = {name: getattr(self, name) for name in _ARRAYS}
        if self.crosswalk_start is not None:
            arrays |= {name: getattr(self, name) for name in _OF_CROSSWALKS}
        arrays |= {f"trace_{name}": values for name, values in self.traces.items()}
        arrays["header"] = np.frombuffer(text, np.uint8)
        for number, scene in enumerate(scenes, 1):
            scene.save(folder / scene_file(number))

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
            "track_token": (tracks,),
            "track_type": (tracks,),
            "track_pose": (steps, tracks, 3),
            "track_size": (tracks, 2),
            "plans": (*self.plans.shape[:2], 2),
            "plan_step": self.plans.shape[:1],
            "light_id": (len(self.light_id),),
            "light_red": (*self.light_red.shape[:1], len(self.light_id)),
        }
        for name, shape in wanted.items():
            own = getattr(self, name)
            if own.shape != shape:
                return f"{name} has shape {own.shape}, not {shape}"
            if own.dtype.kind not in _KINDS.get(name, "fiu"):
                return f"{name} is of type {own.dtype}"
        for name, line in self.traces.items():
            if line.ndim != 1:
                return f"trace_{name} has shape {line.shape}, not {(steps,)}"
        if not isinstance(self.header, Mapping) or self.header.get("format") != FORMAT:
            return f"no header, or not of the format {FORMAT!r}"
        if steps < 2 or not np.isfinite(self.ego).all():
            return "the ego's poses are fewer than two, or not finite"
        return self._fault_of_values() or header_fault(self.header)

    def _fault_of_values(self) -> str:
        starts, steps = self.crosswalk_start, len(self.ego)
        if starts is not None and (
            self.crosswalk_xy.shape[1:] != (2,)
            or starts.ndim != 1
            or list(starts[:1]) + list(starts[-1:]) != [0, len(self.crosswalk_xy)]
            or (np.diff(starts) < 3).any()
        ):
            return "crosswalk_start does not cut crosswalk_xy into outlines"
        for name, least, most in (
            ("plan_step", 0, steps - 1),
            ("track_type", 0, len(TRACK_TYPES) - 1),
            ("track_size", 0, 100),
            ("light_red", min(_STATES), max(_STATES)),
        ):
            own = getattr(self, name)
            if not ((own >= least) & (own <= most)).all():
                return f"{name} is not within {least} and {most}"
        return ""


_ARRAYS = (
    *("ego", "speed", "plan_step", "plans"),
    *("track_token", "track_type", "track_size", "track_pose"),
    *("light_id", "light_red"),
)
# of what is no number, kinds of NumPy's types
_KINDS = {
    **dict.fromkeys(("track_token", "light_id"), "U"),
    **dict.fromkeys(("plan_step", "track_type", "light_red"), "iu"),
}
_OF_CROSSWALKS = ("crosswalk_start", "crosswalk_xy")


def scene_file(number: int) -> str:
    """Name of the scene cache of a number from 1 on."""
    return SCENE_FILE if number == 1 else f"scene_{number}.npz"


def rollout(folder: Path, other: Path | None = None) -> MovingScene:
    """A rollout as a page plays it.

    Args:
        folder: of the rollout.
        other: of another agent's rollout of the same scenario, played with it.

    Raises:
        DataError: a file is damaged, or the two do not begin at one place.
    """
    recorded = Rollout.load(folder)
    both = [recorded, *([Rollout.load(other)] if other is not None else [])]
    start, header = recorded.ego[0], recorded.header
    labels = _labels(both, folder, other)
    steps = max(len(own.ego) for own in both)
    packed = empty_scene(ROLLOUT, folder.name, float(header["dt"]), steps)
    images: list[str] = []
    for own, label, path in zip(both, labels, (folder, other), strict=False):
        assert path is not None
        if not np.allclose(own.ego[0, :2], start[:2], atol=0.01):
            raise DataError(f"{shown(path)}: does not begin where {shown(folder)} does", _UNLIKE)
        packed["drives"].append(_drive(own, start, label))
        whose = f"{label}: " if other is not None else ""
        packed["films"] += _films(path, images, whose, packed["notes"])
    packed["tracks"] = _tracks(recorded, start)
    if other is not None:
        packed["drives"][1]["tracks"] = _tracks(both[1], start)
        packed["notes"].append(
            f"in one picture the objects move as beside {labels[0]}; side by side each has its own"
        )
    window = window_of(np.concatenate([poses_to_ego(own.ego, start) for own in both]))
    scenes = [scene for path in (folder, other) if path is not None for scene in _scenes(path)]
    packed["ground"] = pack_ground(scenes, start, window, _crosswalks(both))
    states = zip(recorded.light_id, recorded.light_red.T, strict=True)
    lights = {str(name): "".join(_STATES[int(x)] for x in red) for name, red in states}
    packed["lights"] = pack_lights(scenes, start, lights, window)
    packed["notes"] += packed["ground"].pop("notes")
    lost = [own for own in header.get("metrics", ()) if own.get("failed")]
    summary = {
        "score": header.get("score"),
        "metrics": [str(own["short"]) for own in lost],
        "class": "fails" if lost else "passes",
        "city": scenes[0].map_name,
        "log": scenes[0].log_name,
        "sentences": [str(own["failed"]["sentence"]) for own in lost] or ["passes every metric"],
    }
    return MovingScene(folder.name, packed, tuple(images), summary, tuple(packed["notes"]))


def _crosswalks(both: list[Rollout]) -> Crosswalks:
    """The crosswalks of all recordings, and why there are none."""
    rings: dict[bytes, Array] = {}
    for own in both:
        if own.crosswalk_start is None:
            return np.empty(0, np.object_), "this recording has no crosswalks"
        for ring in np.split(own.crosswalk_xy, own.crosswalk_start[1:-1]):
            if len(ring):
                rings[ring.tobytes()] = ring
    shapes = np.empty(len(rings), np.object_)
    shapes[:] = [shapely.polygons(ring) for ring in rings.values()]
    return shapes, ""


_UNLIKE = "name a run of the same scenarios, of the same seed"


def _scenes(folder: Path) -> list[SceneCache]:
    """The scene caches that hold the map of a rollout."""
    found = [SceneCache.load(folder / SCENE_FILE)]
    while (folder / scene_file(len(found) + 1)).is_file():
        found.append(SceneCache.load(folder / scene_file(len(found) + 1)))
    return found


def _labels(both: list[Rollout], folder: Path, other: Path | None) -> list[str]:
    """Names of the agents, told apart by their runs where they are the same."""
    labels = [str(own.header["label"]) for own in both]
    if other is None or labels[0] != labels[1]:
        return labels
    runs = [_run_name(folder), _run_name(other)]
    runs = runs if runs[0] != runs[1] else ["first", "second"]
    return [f"{label} ({run})" for label, run in zip(labels, runs, strict=True)]


def _run_name(folder: Path) -> str:
    """Name of the run that a rollout's folder is of."""
    parent = folder.absolute().parent
    return parent.parent.name if parent.name == ROLLOUTS else parent.name


def _drive(recorded: Rollout, start: Array, label: str) -> dict[str, Any]:
    header, plans = recorded.header, zip(recorded.plan_step, recorded.plans, strict=True)
    return {
        "label": label,
        "poses": pack_poses(poses_to_ego(recorded.ego, start)),
        "speed": pack_values(recorded.speed, 2),
        "asked": [],
        "plans": [[int(step), pack_path(to_ego(plan, start))] for step, plan in plans],
        "score": header.get("score"),
        "metrics": [_metric(own, recorded.traces, start) for own in header.get("metrics", ())],
        "counterfactual": None,
    }


def _metric(own: Mapping[str, Any], traces: Mapping[str, Array], start: Array) -> dict[str, Any]:
    values, failed = traces.get(str(own["short"])), own.get("failed")
    trace = None
    if values is not None:
        keys = {"what": own["title"], "unit": "", "bound": None, "above": False}
        trace = {key: own.get(key, usual) for key, usual in keys.items()}
        trace |= {"values": pack_values(values), "reference": None}
    if failed:
        blank = {"track": None, "point": None, "aheadSteps": 0, "aheadM": 0.0, "text": ""}
        failed = {**blank, "sentence": own["title"], **failed}
        if failed["point"] is not None:
            failed["point"] = pack_path(to_ego(np.array([failed["point"]], float), start))
    return {
        **{key: own.get(key) for key in ("short", "title", "value")},
        "failed": failed,
        "trace": trace,
    }


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


def _films(folder: Path, images: list[str], whose: str, notes: list[str]) -> list[dict[str, Any]]:
    """Camera pictures of a rollout, a film a camera; they are added to the page's images.

    What cannot be read is noted, the first picture of a camera and how many more.
    """
    films = []
    for camera in sorted(path for path in folder.glob("cam_*") if path.is_dir()):
        frames, faults = [], []
        for file in sorted(own for own in camera.glob("*.jpg") if _is_number(own.stem)):
            try:
                picture = load_image(file, "a picture of the rollout", _AGAIN, _AGAIN)
            except DataError as error:
                faults.append(error.message)
                continue
            frames.append([int(file.stem), len(images)])
            images.append(picture_of(picture))
        if frames:
            films.append({"name": f"{whose}{camera.name}", "frames": frames})
        if faults:
            notes.append(faults[0] + (f" (and {len(faults) - 1} more)" if faults[1:] else ""))
    return films


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
