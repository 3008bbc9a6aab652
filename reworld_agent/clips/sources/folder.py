"""A folder of one's own: video files, and folders of images, each a scene.

Poses, where known, lie in a csv beside them: `name.csv` for `name.mp4`, `poses.csv` in a folder of
images. Columns: timestamp (us, on the frames' clock; of a video: from its first frame), x, y (m),
heading (rad), and speed (m/s) where it is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reworld_agent.clips.decode import open_video
from reworld_agent.clips.image_files import SUFFIXES, ImageFiles
from reworld_agent.clips.kinematics import EgoTrack, make_track
from reworld_agent.clips.recording import Recording, relative
from reworld_agent.clips.sources.protocol import Options
from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import read_csv

VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm")
_COLUMNS = ["timestamp", "x", "y", "heading"]


class Folder:
    """Videos and folders of images, each a scene."""

    fps = 8.0
    options = ("licence",)

    def recordings(self, root: Path, options: Options) -> Iterator[Recording]:
        """One recording for each video file, and each folder that holds images, at any depth."""
        if not root.is_dir():
            raise DataError(f"{root} is not a folder", "root= is a folder of videos or images")
        files = [path for path in root.rglob("*") if path.suffix.lower() in (*VIDEOS, *SUFFIXES)]
        if not files:
            known = f"known: {', '.join((*VIDEOS, *SUFFIXES))}"
            raise DataError(f"{root}: holds neither videos nor images", known)
        folders = {path.parent for path in files if path.suffix.lower() in SUFFIXES}
        videos = {path for path in files if path.suffix.lower() in VIDEOS}
        for path in sorted(folders | videos):
            read = _of_images if path.is_dir() else _of_video
            yield read(path, root, options)


def _of_video(path: Path, root: Path, options: Options) -> Recording:
    name = relative(path.with_suffix(""), root)
    times = open_video(path).times
    assert times is not None  # videos always carry them
    stamps = np.round(times * 1e6).astype(np.int64)
    track, notes = _read_poses(path.with_suffix(".csv"))
    return Recording(
        source="folder",
        scene=name,
        camera=options.camera or "camera",
        stamps=stamps,
        video=relative(path, root),
        track=track,
        licence=options.licence,
        notes=notes,
    )


def _of_images(folder: Path, root: Path, options: Options) -> Recording:
    images = ImageFiles.of_folder(folder)
    notes: tuple[str, ...] = ()
    if images.times is None and not options.fps_declared:
        raise DataError(
            f"{folder}: its images carry no times, and nothing says their rate",
            "declare it with fps=; or add timestamps.csv (columns file, timestamp in us)",
        )
    if images.times is None:
        times = np.arange(len(images)) / options.fps
        notes = (f"{folder.name}: images carry no times, taken to be at {options.fps:g} fps",)
    else:
        times = images.times
    track, more = _read_poses(folder / "poses.csv", images.first_stamp)
    name = relative(folder, root) if folder != root else folder.name
    return Recording(
        source="folder",
        scene=name,
        camera=options.camera or "camera",
        stamps=np.round(times * 1e6).astype(np.int64),
        files=tuple(relative(path, root) for path in images.paths),
        track=track,
        licence=options.licence,
        notes=notes + more,
    )


def _read_poses(path: Path, first_stamp: int = 0) -> tuple[EgoTrack | None, tuple[str, ...]]:
    """The track of a csv, its clock moved so that the frames start at 0; None without a file."""
    if not path.is_file():
        return None, ()
    hint = f"columns: {', '.join(_COLUMNS)}, and speed where it is measured"
    try:
        table = read_csv(path, hint, _COLUMNS)
        values = table[_COLUMNS].to_numpy(np.float64)
        speed = table["speed"].to_numpy(np.float64) if "speed" in table else None
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} is not a table of poses ({error})", hint) from error
    whole = np.isfinite(values).all(axis=1)
    whole &= np.isfinite(speed) if speed is not None else True
    if not whole.all():
        row = int(np.argmin(whole)) + 2  # as an editor counts, the header being line 1
        raise DataError(
            f"{path}: line {row} has a value that is not finite", "correct or delete it"
        )
    stamps = values[:, 0].astype(np.int64) - first_stamp
    notes: tuple[str, ...] = ()
    if (np.diff(stamps) < 0).any():
        notes = (f"{path.name}: timestamps out of order, poses sorted by time",)
    return make_track(stamps, values[:, 1:], speed=speed), notes
