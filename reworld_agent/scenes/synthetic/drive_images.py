"""Images and clips of one drive."""

from __future__ import annotations

from pathlib import Path

import cv2
import pandas as pd

from reworld_agent.core.errors import DataError
from reworld_agent.scenes.synthetic.actors.traffic import STEP
from reworld_agent.scenes.synthetic.drive import FRAME, STRIDE, Drive
from reworld_agent.scenes.synthetic.logs import (
    driving_command,
    frame_token,
    image_path,
    timestamp,
)
from reworld_agent.scenes.synthetic.render.camera_view import Renderer
from reworld_agent.scenes.synthetic.render.renderer import TownRenderer
from reworld_agent.scenes.synthetic.store import scratch, settle

AnyRenderer = Renderer | TownRenderer
JPEG_QUALITY = 90
CLIP_CAMERA = "CAM_F0"


def open_renderer(drive: Drive) -> AnyRenderer:
    """What paints the pictures of a drive: that of its version of the town."""
    return Renderer(drive) if drive.plan.version == "5" else TownRenderer(drive)


def write_images(drive: Drive, root: Path, cameras: tuple[str, ...], clips: bool) -> None:
    """Write what is missing of the images of these cameras, and of the clip.

    Raises:
        DataError: the disk is full or the folder not writable.
    """
    renderer: AnyRenderer | None = None
    for camera in cameras:
        folder = root / "sensor_blobs" / drive.plan.name / drive.name / camera
        if not folder.is_dir():
            renderer = renderer or open_renderer(drive)
            _write_images(root, folder, renderer, camera)
    folder = root / "clips" / drive.plan.name / drive.name
    if clips and not folder.is_dir():
        _write_clip(root, folder, renderer or open_renderer(drive))


def _write_images(root: Path, folder: Path, renderer: AnyRenderer, camera: str) -> None:
    drive = renderer.drive
    part = scratch(root, f"{drive.plan.name}-{drive.name}-{camera}")
    part.mkdir(exist_ok=True)
    for k in range(drive.plan.frames):
        path = part / Path(image_path(drive, camera, k)).name
        _write_image(path, renderer, camera, k * STRIDE)
    settle(part, folder)


def _write_clip(root: Path, folder: Path, renderer: AnyRenderer) -> None:
    """The front camera at 8 Hz, and an index that opens in pandas."""
    drive = renderer.drive
    part = scratch(root, f"{drive.plan.name}-{drive.name}-clip")
    part.mkdir(exist_ok=True)
    rows = []
    for step in range((drive.plan.frames - 1) * STRIDE + 1):
        name = f"{step:05d}.jpg"
        _write_image(part / name, renderer, CLIP_CAMERA, step)
        rows.append({"file": name, **_clip_row(drive, step)})
    pd.DataFrame(rows).to_parquet(part / "index.parquet", index=False)
    settle(part, folder)


def _clip_row(drive: Drive, step: int) -> dict[str, object]:
    x, y, heading = drive.ego_pose(step)
    east, north = drive.net.plan.origin
    k, rest = divmod(step, STRIDE)
    return {
        "timestamp": timestamp(drive, step * STEP),  # us
        "x": x + east,  # m, rear axle, UTM
        "y": y + north,
        "heading": heading,  # rad
        "speed": float(drive.record.v[step, 0]),  # m/s
        "command": ("left", "straight", "right")[int(driving_command(drive, step).argmax())],
        "token": frame_token(drive, k) if rest == 0 and k * FRAME >= 0 else None,
    }


def _write_image(path: Path, renderer: AnyRenderer, camera: str, step: int) -> None:
    image = renderer.image(camera, step)
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
        raise DataError(
            f"{path}: the image cannot be written",
            "free some space, or set REWORLD_HOME to a folder that can be written",
        )
