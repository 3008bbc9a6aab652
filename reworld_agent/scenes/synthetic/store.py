"""Writing a split to disk, so that being killed at any moment leaves nothing half done.

Files and folders are written under another name and moved to their place when complete; what is in
its place is complete and is not made again.
"""

from __future__ import annotations

import os
import shutil
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
    log_bytes,
    timestamp,
)
from reworld_agent.scenes.synthetic.maker_lock import UNFINISHED
from reworld_agent.scenes.synthetic.render.camera_view import Renderer
from reworld_agent.scenes.synthetic.rollout import make_drive
from reworld_agent.scenes.synthetic.town.layout import PLANS

JPEG_QUALITY = 90
CLIP_CAMERA = "CAM_F0"
PART = ".part"


def scratch(root: Path, name: str) -> Path:
    """A place for something unfinished, on the same disk, apart from all that is read."""
    path = root / UNFINISHED / f"{name}{PART}{os.getpid()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_bytes(root: Path, path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        DataError: the disk is full or the folder not writable; nothing is left behind.
    """
    part: Path | None = None
    try:
        part = scratch(root, path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        if part is not None and part.exists():
            part.unlink()
        raise DataError(
            f"{path}: cannot be written ({error.strerror})",
            "free some space, or set REWORLD_HOME to a folder that can be written",
        ) from error


def write_drive(split: str, index: int, root: Path, cameras: tuple[str, ...], clips: bool) -> None:
    """Write what is missing of one drive: log, images of the cameras, clip."""
    drive = make_drive(split, index)
    renderer: Renderer | None = None
    for camera in cameras:
        folder = root / "sensor_blobs" / split / drive.name / camera
        if not folder.is_dir():
            renderer = renderer or Renderer(drive)
            _write_images(root, folder, renderer, camera)
    folder = root / "clips" / split / drive.name
    if clips and not folder.is_dir():
        _write_clip(root, folder, renderer or Renderer(drive))
    log = root / "navsim_logs" / split / f"{drive.name}.pkl"
    if not log.exists():
        write_bytes(root, log, log_bytes(drive))


def _write_images(root: Path, folder: Path, renderer: Renderer, camera: str) -> None:
    drive = renderer.drive
    part = scratch(root, f"{drive.plan.name}-{drive.name}-{camera}")
    part.mkdir(exist_ok=True)
    for k in range(drive.plan.frames):
        path = part / Path(image_path(drive, camera, k)).name
        _write_image(path, renderer, camera, k * STRIDE)
    _settle(part, folder)


def _write_clip(root: Path, folder: Path, renderer: Renderer) -> None:
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
    _settle(part, folder)


def _clip_row(drive: Drive, step: int) -> dict[str, object]:
    x, y, heading = drive.ego_pose(step)
    east, north = PLANS[drive.plan.city].origin
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


def _write_image(path: Path, renderer: Renderer, camera: str, step: int) -> None:
    image = renderer.image(camera, step)
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
        raise DataError(
            f"{path}: the image cannot be written",
            "free some space, or set REWORLD_HOME to a folder that can be written",
        )


def _settle(part: Path, folder: Path) -> None:
    """Move a complete folder to its place; somebody else's, made meanwhile, is as good."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.rename(folder)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        if not folder.is_dir():
            raise
