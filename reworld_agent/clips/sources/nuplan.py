"""nuPlan databases (.db, sqlite): the image and ego_pose tables, opened one log at a time."""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from reworld_agent.clips.kinematics import EgoTrack, make_track
from reworld_agent.clips.recording import Recording, Refused, each, in_time_order, relative
from reworld_agent.clips.sources.protocol import Options
from reworld_agent.clips.splits import folder_split
from reworld_agent.clips.walk import files_below, folders_below
from reworld_agent.core.errors import DataError
from reworld_agent.scenes.geometry import quaternion_yaw

_IMAGES = "name the folder with images=, below a root= that holds both"
LICENCE = "CC BY-NC-SA 4.0 (nuPlan)"
_IMAGES = """
SELECT image.filename_jpg, image.timestamp FROM image
JOIN camera ON camera.token = image.camera_token
WHERE camera.channel = ? ORDER BY image.rowid"""
# the poses come at 100 Hz: those of the images are enough
_POSES = """
SELECT p.timestamp, p.x, p.y, p.qw, p.qx, p.qy, p.qz, p.vx, p.acceleration_x, p.angular_rate_z
FROM ego_pose p JOIN image ON image.ego_pose_token = p.token
JOIN camera ON camera.token = image.camera_token
WHERE camera.channel = ? ORDER BY p.timestamp"""


class NuPlan:
    """nuPlan databases and their folder of images."""

    fps = 8.0
    options = ("images",)

    def recordings(self, root: Path, options: Options) -> Iterator[Recording | Refused]:
        """One recording a log (a database) that has images of the camera."""
        databases = files_below(root, (".db",))
        if not databases:
            raise DataError(
                f"{root}: holds no nuPlan database (*.db)", "root= is the folder of splits"
            )
        images = _image_folder(root, options.images)
        camera = options.camera or "CAM_F0"
        yield from each(
            databases, lambda path: _recording(path, images, camera), lambda path: path.name
        )


def _image_folder(root: Path, given: Path | None) -> str:
    """Folder of images relative to the root, so that the index can be moved with the data.

    It may be a link in the root: then the link's name is what the index holds.
    """
    root = root.absolute()
    if given is None:
        found = (path for path in folders_below(root) if path.name == "sensor_blobs")
        folder = next(found, None)
        if folder is None:
            raise DataError(f"{root}: has no folder of images sensor_blobs", _IMAGES)
        return relative(folder, root)
    if not given.is_dir():
        raise DataError(f"{given}: no folder of images", _IMAGES)
    for path, base in ((given.absolute(), root), (given.resolve(), root.resolve())):
        if path.is_relative_to(base):
            return relative(path, base)
    place = shlex.quote(str(root / "sensor_blobs"))
    raise DataError(
        f"{given}: lies outside of root={root}, below which an index looks for its images",
        f"ln -s {shlex.quote(str(given.absolute()))} {place}",
    )


def _recording(path: Path, images: str, camera: str) -> Recording:
    try:
        # read-only, and never a journal beside data that may lie on a read-only disk
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as base:
            rows = base.execute(_IMAGES, (camera,)).fetchall()
            track = _track(base.execute(_POSES, (camera,)).fetchall(), path)
    except sqlite3.Error as error:
        message = f"{path} is not a readable nuPlan database ({error})"
        raise DataError(message, "download the database again") from error
    files = [f"{images}/{name}" for name, _ in rows]
    stamps = np.array([stamp for _, stamp in rows], dtype=np.int64)
    ordered, kept, notes = in_time_order(stamps, files, path.stem)
    return Recording(
        source="nuplan",
        scene=path.stem,
        camera=camera,
        stamps=ordered,
        files=kept,
        track=track,
        licence=LICENCE,
        split=folder_split(path.parent.name),
        notes=notes,
    )


def _track(rows: list[Any], path: Path) -> EgoTrack | None:
    if not rows:
        return None
    values = np.array([row[1:] for row in rows], dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"{path}: an ego pose is not finite", "download the database again")
    heading = np.array([quaternion_yaw(row[2:6]) for row in values])
    return make_track(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.column_stack([values[:, :2], heading]),
        speed=values[:, 6],
        acceleration=values[:, 7],
        yaw_rate=values[:, 8],
    )
