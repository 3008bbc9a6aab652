"""Frames of a clip on disk, whatever it is stored as: a video file, a folder of images, an array.

Shapes: T frames, H, W pixels. Frames are RGB.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.array_file import SUFFIXES as ARRAY_SUFFIXES
from reworld_agent.clips.array_file import ArrayFile
from reworld_agent.clips.image_files import ImageFiles
from reworld_agent.clips.resample import nearest, steady_grid
from reworld_agent.clips.stored import Stored
from reworld_agent.core.errors import ConfigError, DataError

Frames = NDArray[np.uint8]
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".flv", ".wmv", ".3gp"),
    *(".ts", ".m2ts", ".mts", ".mpg", ".mpeg"),
    *(".h264", ".264", ".h265", ".265", ".hevc"),  # raw streams, as comma2k19 has them
)


class FrameReader(Protocol):
    """What stores frames: their number, their times, and reading of some of them."""

    @property
    def name(self) -> str:
        """What messages call the clip."""

    @property
    def times(self) -> NDArray[np.float64] | None:
        """Seconds [N] of each frame, ascending; None where they are not known."""

    def __len__(self) -> int: ...

    def read(self, indices: NDArray[np.int64], size: tuple[int, int] | None) -> Frames:
        """Frames uint8 [T, H, W, 3] of ascending indices."""


def open_reader(path: Path | str, stored: Stored | None = None) -> FrameReader:
    """The reader of a video file, a folder of images or a numpy file; raises DataError.

    Args:
        path: the file or folder.
        stored: what its frames do not say themselves.
    """
    path = Path(path)
    if path.is_dir():
        return ImageFiles.of_folder(path)
    if not path.exists():
        raise DataError(f"{path}: no such clip", "name a video file or a folder of images")
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return ArrayFile(path, stored)
    return open_video(path)


def holds_floats(path: Path, stored: Stored) -> bool:
    """Whether a clip is an array of floats, whose range must be declared; all others are uint8."""
    is_array = path.suffix.lower() in ARRAY_SUFFIXES and not path.is_dir()
    return is_array and ArrayFile(path, stored).floats


def open_video(path: Path) -> FrameReader:
    """The reader of a video file; ConfigError where PyAV, an extra of the package, is not there."""
    try:
        # PyAV is an extra: images and arrays are read without it
        from reworld_agent.clips.video_file import VideoFile  # noqa: PLC0415
    except ModuleNotFoundError as error:
        message = f"{path}: reading videos needs PyAV, which is not installed"
        raise ConfigError(message, "pip install 'reworld-agent[video]'") from error
    return VideoFile(path)


def read_frames(
    path: Path | str,
    start: int = 0,
    count: int | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    stored: Stored | None = None,
) -> Frames:
    """Frames uint8 [T, 3, H, W] of a clip, RGB.

    Grey and 10-bit pixels are converted to 8-bit RGB, and frames are turned upright as the file's
    rotation metadata say.

    Args:
        path: a video file; a folder of JPEG/PNG files in natural order of their names, their
            times in `index.parquet` or `timestamps.csv` (columns file, timestamp in us), if at
            all; or a .npy or .npz array [T, 3, H, W] or [T, H, W, 3], uint8, or floats whose
            range `stored` declares.
        start: first frame, counted at `fps` where it is given.
        count: frames; None = all that are left.
        fps: resample to this rate, taking for each of the times first + k / fps the frame that is
            nearest (variable rates come out steady). What has no timestamps is taken to be at
            this rate already. None = the frames as they are.
        size: (H, W): scaled with its aspect ratio to cover the size, then cut to its middle (see
            `fit`); None = as stored.
        stored: what the frames do not say themselves: range, order of axes, rate.

    Raises:
        DataError: no such file, no frames, fewer than asked, a damaged one (says which), values
            that are not finite; names the file.
        ConfigError: start, count, fps or size out of range.
    """
    _check(start, count, fps, size)
    reader = open_reader(path, stored)
    indices = frame_indices(reader, fps, stored)
    left = len(indices) - start
    if left < (1 if count is None else count):
        at = f" at {fps:g} fps" if fps else ""
        raise DataError(
            f"{path}: has {len(indices)} frame{'s' * (len(indices) != 1)}{at}; "
            f"{count or 1} from frame {start} on {'are' if (count or 1) != 1 else 'is'} asked for",
            f"ask for fewer frames{', or another fps=,' if fps else ''} or name a longer clip",
        )
    chosen = indices[start : None if count is None else start + count]
    return channels_first(reader.read(chosen, size))


def channels_first(images: Frames) -> Frames:
    """[T, H, W, 3] to a contiguous [T, 3, H, W]."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def frame_times(reader: FrameReader, stored: Stored | None) -> NDArray[np.float64] | None:
    """Seconds [N] of each frame: at the declared rate, else as the files say; None if unknown."""
    if stored is not None and stored.fps is not None:
        return np.arange(len(reader)) / stored.fps
    return reader.times


def frame_indices(
    reader: FrameReader, fps: float | None, stored: Stored | None = None
) -> NDArray[np.int64]:
    """Which frames are read at a rate; all where it is None, or the times are not known."""
    times = frame_times(reader, stored)
    if fps is None or times is None:
        return np.arange(len(reader))
    return nearest(times, steady_grid(times, fps))


def _check(start: int, count: int | None, fps: float | None, size: tuple[int, int] | None) -> None:
    if start < 0 or (count is not None and count < 1):
        raise ConfigError(f"start={start} count={count}", "start counts from 0, count from 1")
    if fps is not None and not 0 < fps < float("inf"):
        raise ConfigError(f"fps={fps} is not a frame rate", "use fps=8")
    if size is not None and min(size) < 1:
        raise ConfigError(f"size={size} is empty", "use size=HxW in pixels")
