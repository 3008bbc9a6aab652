"""A folder of one's own: video files, and folders of images, each a scene.

Poses, where known, lie in a csv beside them: `name.csv` for `name.mp4`, `poses.csv` in a folder of
images. Columns: timestamp (us, on the frames' clock; of a video: from its first frame), x, y (m),
heading (rad), and speed (m/s) where it is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.decode import VIDEO_SUFFIXES, FrameReader, open_video
from reworld_agent.clips.image_files import SUFFIXES, ImageFiles, is_image
from reworld_agent.clips.kinematics import EgoTrack, make_track
from reworld_agent.clips.recording import Recording, Refused, UndeclaredRateError, each, relative
from reworld_agent.clips.sources.protocol import Options
from reworld_agent.clips.walk import files_below, folders_below
from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import read_csv

_COLUMNS = ["timestamp", "x", "y", "heading"]


class Folder:
    """Videos and folders of images, each a scene."""

    fps = 8.0
    options = ("licence",)

    def recordings(self, root: Path, options: Options) -> Iterator[Recording | Refused]:
        """One recording for each video file, and each folder that holds images, at any depth."""
        if not root.is_dir():
            raise DataError(f"{root} is not a folder", "root= is a folder of videos or images")
        below = files_below(root, (*VIDEO_SUFFIXES, *SUFFIXES))
        folders = {path.parent for path in below if is_image(path)}
        videos = {path for path in below if path.suffix.lower() in VIDEO_SUFFIXES}
        # folders that bear a video's name and hold none are refused by their names
        empty = set(folders_below(root)) - {root, *(above for p in below for above in p.parents)}
        videos |= {path for path in empty if path.suffix.lower() in VIDEO_SUFFIXES}
        if not folders | videos:
            known = f"known: {', '.join((*VIDEO_SUFFIXES, *SUFFIXES))}"
            raise DataError(f"{root}: holds neither videos nor images", known)

        def read(path: Path) -> Recording:
            return (_of_images if path in folders else _of_video)(path, root, options)

        yield from each(sorted(folders | videos), read, lambda path: relative(path, root))


def _of_video(path: Path, root: Path, options: Options) -> Recording:
    name = relative(path.with_suffix(""), root)
    video = open_video(path)
    times, untimed = _times(video, path, options)
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
        notes=untimed + notes,
    )


def _of_images(folder: Path, root: Path, options: Options) -> Recording:
    images = ImageFiles.of_folder(folder)
    times, notes = _times(images, folder, options)
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


def _times(
    frames: FrameReader, path: Path, options: Options
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Seconds of each frame, and a note where they are none of its own but the declared rate's.

    Raises:
        UndeclaredRateError: it carries none, and no rate was declared.
    """
    if frames.times is not None:
        return frames.times, ()
    what = f"{'its images' if path.is_dir() else 'frames of a raw stream'} carry no times"
    if not options.fps_declared:
        more = "; or add timestamps.csv (columns file, timestamp in us)" if path.is_dir() else ""
        hint = f"declare it with fps={more}"
        raise UndeclaredRateError(f"{path}: {what}, and nothing says their rate", hint)
    note = f"{path.name}: {what}, taken to be at {options.fps:g} fps"
    return np.arange(len(frames)) / options.fps, (note,)


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
