"""Camera pictures of a scene for a page: small, with what is needed to draw into them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reworld_agent.analysis.figures.calibration import check_calibration, road_height
from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.extras import is_installed
from reworld_agent.scenes.log_index import find_frame
from reworld_agent.scenes.logs import load_log
from reworld_agent.scenes.scene_pickles import load_scene_pickle
from reworld_agent.scenes.sensors import Camera, Cameras

FRAME_S, FRAMES = 0.5, 9  # a log has 2 Hz; the plan's 4 s
_LATE_S = 0.1
_WIDTH, _QUALITY = 560, 55


@dataclass(frozen=True)
class Pictures:
    """What the cameras of a scene saw.

    Attributes:
        cameras: one dict a camera: name, size, calibration, height of the road, frames.
        images: base64 of the pictures, in the order in which the frames name them.
        notes: what is missing, and why.
        lights: signals at 2 Hz by lane connector, `r` red, `g` not, `-` unknown.
    """

    cameras: tuple[dict[str, Any], ...] = ()
    images: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lights: dict[str, str] | None = None


def read_log(
    data_root: Path, data_split: str, token: str, names: Sequence[str], frames: Sequence[int]
) -> Pictures:
    """Pictures and signals of a scene's log.

    Args:
        data_root, data_split: where the log lies.
        token: of the present frame.
        names: cameras such as `cam_f0`.
        frames: numbers 0 … 8 of the frames (0.5 s each) whose pictures are read.
    """
    try:
        log, index = find_frame(data_root / "navsim_logs" / data_split, token)
        window = _window(load_log(log), index)
    except ReWorldError as error:
        return Pictures(notes=(error.message,))
    return _read(
        window, _lights(window), data_root / "sensor_blobs" / data_split, log, names, frames
    )


def read_stage_two(path: Path, names: Sequence[str]) -> Pictures:
    """Pictures of t0 and signals of a synthetic scene of stage two; see `read_log`."""
    try:
        scene = load_scene_pickle(path)
    except ReWorldError as error:
        return Pictures(notes=(error.message,))
    present = scene.present_frame()
    lights = _lights([present, *({"traffic_lights": own} for own in scene.future_lights)])
    return _read([present], lights, path.parent.parent / "sensor_blobs", path, names, (0,))


def _read(
    window: Sequence[dict[str, Any]],
    lights: dict[str, str],
    blobs: Path,
    log: Path,
    names: Sequence[str],
    frames: Sequence[int],
) -> Pictures:
    if not names or not frames:
        return Pictures(lights=lights)
    if not is_installed("PIL"):
        return Pictures(notes=("no pictures: Pillow is not installed",), lights=lights)
    found: list[dict[str, Any]] = []
    images: list[str] = []
    notes: list[str] = []
    anns = window[0].get("anns") or {"gt_boxes": []}
    road = road_height(np.asarray(anns["gt_boxes"], np.float64).reshape(-1, 7))
    for name in names:
        packed: dict[str, Any] = {"name": name, "road": round(road, 3), "frames": []}
        faults: list[str] = []
        for number in frames:
            if number >= len(window):
                continue
            try:
                camera = _camera(blobs, window[number], name, log)
                image, size = _picture(camera)
            except ReWorldError as error:
                faults.append(f"{name} at {number * FRAME_S:.1f} s: {error.message}")
                continue
            packed |= {"size": size, **_calibration(camera)}
            packed["frames"].append([number, len(images)])
            images.append(image)
        if faults:
            more = f" (and {len(faults) - 1} more)" if faults[1:] else ""
            notes.append(faults[0] + more)
        if packed["frames"]:
            found.append(packed)
    return Pictures(tuple(found), tuple(images), tuple(notes), lights)


def _window(frames: Sequence[dict[str, Any]], index: int) -> list[dict[str, Any]]:
    """The frame of t0 and those 0.5 … 4.0 s after it, as far as the log has them."""
    start = int(frames[index]["timestamp"])
    window = []
    for number, frame in enumerate(frames[index : index + FRAMES]):
        if abs((int(frame["timestamp"]) - start) * 1e-6 - number * FRAME_S) > _LATE_S:
            break
        window.append(frame)
    return window


def _lights(window: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Signals by lane connector."""
    states: dict[str, list[str]] = {}
    for number, frame in enumerate(window[:FRAMES]):
        for connector, is_red in frame.get("traffic_lights") or ():
            own = states.setdefault(str(connector), ["-"] * FRAMES)
            own[number] = "r" if is_red else "g"
    return {name: "".join(own) for name, own in states.items()}


def _camera(blobs: Path, frame: dict[str, Any], name: str, log: Path) -> Camera:
    token = str(frame["token"])
    cameras = Cameras.from_camera_dict(blobs, frame.get("cams") or {}, [name], token)
    camera: Camera = getattr(cameras, name)
    check_calibration(camera, name, log, token)
    return camera


def _picture(camera: Camera) -> tuple[str, list[int]]:
    """A small WebP picture in base64, and the size [px] of the whole one."""
    from PIL import Image  # noqa: PLC0415 - pages without pictures need no Pillow

    assert camera.image is not None
    height, width = camera.image.shape[:2]
    image = Image.fromarray(camera.image)
    image.thumbnail((_WIDTH, _WIDTH), Image.Resampling.BILINEAR, reducing_gap=2.0)
    stream = io.BytesIO()
    image.save(stream, "webp", quality=_QUALITY, method=2)
    return base64.b64encode(stream.getvalue()).decode("ascii"), [width, height]


def _calibration(camera: Camera) -> dict[str, list[float]]:
    parts = {
        "rotation": camera.sensor2lidar_rotation,
        "translation": camera.sensor2lidar_translation,
        "intrinsics": camera.intrinsics,
        "distortion": camera.distortion,
    }
    return {
        name: [round(float(x), 6) for x in np.asarray(value, np.float64).ravel()]
        for name, value in parts.items()
    }
