"""Scenes as a recording of Rerun's viewer: cameras, boxes, plans and metrics on a time line.

The bird's eye is in 2-D, x forward and y left of the ego frame of t0 (m); y points down in Rerun's
2-D views, so what is drawn is (x, −y). Entities are named by lists of parts, which Rerun escapes:
names of agents and scenes may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.analysis.player.contract import MovingScene
from reworld_agent.analysis.player.packing import pixels, unpack_path, unpack_poses
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.extras import require_installed
from reworld_agent.pdm.world.margins import corners_of, ego_corners

Array = NDArray[np.float64]
TIME = "scene_time"
_FRAME_S = 0.5
_COLOURS = {
    "agent": (0, 114, 178),
    "beside": (138, 59, 156),
    "human": (0, 121, 90),
    "PDM-Closed": (166, 111, 0),
}
_CLASSES = ((86, 180, 233), (213, 94, 0), (204, 121, 167), (140, 140, 140))


def write(path: Path, title: str, scenes: Sequence[MovingScene]) -> None:
    """Write a `.rrd` file; every scene is an entity of its own.

    Raises:
        ReWorldError: the extra `view` is not installed. DataError: the file cannot be written.
    """
    require_installed("rerun")
    import rerun  # noqa: PLC0415 - an extra; pages need none of it

    stream = rerun.RecordingStream("reworld")
    memory = stream.memory_recording()
    stream.send_recording_name(title)
    for number, scene in enumerate(scenes):
        _log(rerun, stream, f"scene_{number:03d}_{scene.token}", scene)
    content = memory.drain_as_bytes()
    write_atomically(path, lambda partial: partial.write_bytes(content))


def _log(rerun: Any, stream: Any, name: str, scene: MovingScene) -> None:
    packed = scene.packed
    said = "\n\n".join([*scene.summary.get("sentences", ()), *scene.notes])
    stream.log([name, "why"], rerun.TextDocument(said), static=True)
    for layer in ("road", "lane", "crosswalk"):
        lines = [_closed(unpack_path(ring) * (1, -1)) for ring in packed["ground"].get(layer, ())]
        if lines:
            look = {"colors": (150, 150, 150), "radii": 0.05}
            stream.log([name, "map", layer], rerun.LineStrips2D(lines, **look), static=True)
    drivers = _drivers(packed)
    for who, poses in drivers.items():
        look = {"colors": _COLOURS[who], "radii": 0.08}
        line = rerun.LineStrips2D([poses[:, :2] * (1, -1)], **look)
        stream.log([name, "plans", who], line, static=True)
    for step in range(packed["steps"]):
        stream.set_time(TIME, duration=step * packed["dt"])
        for who, poses in drivers.items():
            pose = poses[min(step, len(poses) - 1)]  # of two drives, one may end before the other
            box = [_closed(ego_corners(pose) * (1, -1))]
            stream.log([name, "boxes", who], rerun.LineStrips2D(box, colors=_COLOURS[who]))
        _log_tracks(rerun, stream, name, packed, step)
        _log_metrics(rerun, stream, name, packed, step)
    _log_cameras(rerun, stream, name, scene)
    _log_films(rerun, stream, name, scene)


def _log_tracks(rerun: Any, stream: Any, name: str, packed: dict[str, Any], step: int) -> None:
    boxes, labels, colours = [], [], []
    for track in packed["tracks"]:
        if track["from"] <= step <= track["to"]:
            poses = unpack_poses(track["poses"])
            pose = poses[min(step - track["from"], len(poses) - 1)]
            boxes.append(_closed(corners_of(pose, np.array(track["size"])) * (1, -1)))
            labels.append(track["id"][:4])
            colours.append(_CLASSES[min(track["type"], 3)])
    if not packed["tracks"]:
        return
    drawn = rerun.LineStrips2D(boxes, labels=labels, colors=colours, show_labels=False)
    stream.log([name, "boxes", "objects"], drawn)


def _log_metrics(rerun: Any, stream: Any, name: str, packed: dict[str, Any], step: int) -> None:
    for drive in packed["drives"]:
        for own in drive["metrics"]:
            values = own["trace"]["values"] if own["trace"] else []
            value = values[step] if step < len(values) else None
            if value is not None:
                place = [name, "metrics", own["short"], drive["label"]]
                stream.log(place, rerun.Scalars(value))
            if own["failed"] and own["failed"]["step"] == step:
                text = f"{drive['label']}: {own['failed']['sentence']}"
                stream.log([name, "failures"], rerun.TextLog(text, level="WARN"))


def _log_cameras(rerun: Any, stream: Any, name: str, scene: MovingScene) -> None:
    for camera in scene.packed["cameras"]:
        for number, image in camera["frames"]:
            stream.set_time(TIME, duration=number * _FRAME_S)
            picture = pixels(scene.images[image])
            stream.log([name, "cameras", camera["name"]], rerun.Image(picture).compress())


def _log_films(rerun: Any, stream: Any, name: str, scene: MovingScene) -> None:
    """Pictures of rollouts and futures; a film that is an error has its number on a line."""
    for film in scene.packed["films"]:
        place = re.sub(r"\W+", "_", film["name"])
        numbers = film.get("numbers", ())
        for count, (step, image) in enumerate(film["frames"]):
            stream.set_time(TIME, duration=step * scene.packed["dt"])
            picture = rerun.Image(pixels(scene.images[image])).compress()
            stream.log([name, "films", place], picture)
            if count < len(numbers):
                stream.log([name, "psnr", place], rerun.Scalars(numbers[count]))


def _drivers(packed: dict[str, Any]) -> dict[str, Array]:
    """Poses [S, 3] by driver."""
    found = dict(zip(("agent", "beside"), (own["poses"] for own in packed["drives"]), strict=False))
    found |= {"human": packed["human"], "PDM-Closed": packed["reference"]}
    return {name: unpack_poses(poses) for name, poses in found.items() if poses}


def _closed(corners: Array) -> Array:
    return np.concatenate([corners, corners[:1]])
