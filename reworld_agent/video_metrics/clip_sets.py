"""The two sets of clips that are compared: a folder of clips, or an index of `reworld_agent.clips`.

Shapes: T frames, H, W pixels. Frames are RGB.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.array_file import SUFFIXES as ARRAY_SUFFIXES
from reworld_agent.clips.dataset import read_row
from reworld_agent.clips.decode import (
    VIDEO_SUFFIXES,
    frame_indices,
    frame_times,
    holds_floats,
    open_reader,
    read_frames,
)
from reworld_agent.clips.image_files import SUFFIXES as IMAGE_SUFFIXES
from reworld_agent.clips.image_files import natural_key
from reworld_agent.clips.index import read_index
from reworld_agent.clips.stored import Stored
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.records.file_hashes import file_state
from reworld_agent.core.text import shown

Frames = NDArray[np.uint8]
CLIP_SUFFIXES = (*VIDEO_SUFFIXES, *ARRAY_SUFFIXES)


class Clip(Protocol):
    """One clip on disk."""

    @property
    def name(self) -> str:
        """Pairs it with the clip of the other set."""

    @property
    def where(self) -> str:
        """What messages call it: the file or row."""

    def length(self) -> int:
        """Frames in it; raises DataError where it cannot be read."""

    def rate(self) -> float | None:
        """Frames a second, as stored; None where it is not known; raises DataError."""

    def identity(self) -> list[Any]:
        """What changes when the clip does: file names, sizes, times of change."""

    def holds_floats(self) -> bool:
        """Whether its pixels are floats of a declared range; raises DataError."""

    def read(self, start: int, count: int) -> Frames:
        """Frames uint8 [count, 3, H, W] from `start` on; raises DataError."""


@dataclass(frozen=True)
class FileClip:
    """A video file, a folder of images or a numpy array, read at `fps`."""

    name: str
    path: Path
    fps: float | None = None
    stored: Stored = field(default_factory=Stored)

    @property
    def where(self) -> str:
        """The file."""
        return shown(self.path)

    def length(self) -> int:
        """Frames at `fps`, as `read_frames` counts them."""
        reader = open_reader(self.path, self.stored)
        if self.fps is not None and frame_times(reader, self.stored) is None:
            raise DataError(
                f"{self.where}: its frames carry no times, and no rate is declared for fps=",
                "say real_fps= or generated_fps=, the rate of that set's frames, or leave fps= out",
            )
        return len(frame_indices(reader, self.fps, self.stored))

    def rate(self) -> float | None:
        """Frames a second as stored: declared, or of the file's times; None where not known."""
        times = frame_times(open_reader(self.path, self.stored), self.stored)
        if times is None or len(times) < 2:
            return None
        return float(1.0 / np.median(np.diff(times)))

    def identity(self) -> list[Any]:
        """Path, size and time of change of each of its files; how they are read."""
        files = sorted(self.path.iterdir()) if self.path.is_dir() else [self.path]
        return [_stamp(files), self.fps, *dataclasses.astuple(self.stored)]

    def holds_floats(self) -> bool:
        """Whether it is an array of floats."""
        return holds_floats(self.path, self.stored)

    def read(self, start: int, count: int) -> Frames:
        """Frames uint8 [count, 3, H, W]."""
        return read_frames(self.path, start, count, self.fps, stored=self.stored)


@dataclass(frozen=True)
class IndexClip:
    """A row of an index; it says itself which frames of which file it is."""

    name: str
    row: dict[str, Any] = field(repr=False)
    root: Path

    @property
    def where(self) -> str:
        """The clip's name in the index."""
        return f"clip {self.name}"

    def rate(self) -> float | None:
        """Frames a second of the row."""
        return float(self.row["fps"])

    def length(self) -> int:
        """Frames of the row."""
        return int(self.row["frames"])

    def identity(self) -> list[Any]:
        """As of a file, and which frames of it."""
        names = [self.row["video"]] if self.row["video"] else list(self.row["files"])
        frames = np.asarray(self.row["indices"]).tolist()
        return [_stamp([self.root / str(name) for name in names]), frames]

    def holds_floats(self) -> bool:
        """No: an index says itself how its frames are stored."""
        return False

    def read(self, start: int, count: int) -> Frames:
        """Frames uint8 [count, 3, H, W]."""
        places = np.arange(start, min(start + count, self.length()))
        return read_row(self.row, self.root, places, None)


def _stamp(files: Sequence[Path]) -> str:
    lines = []
    for file in files:
        try:
            state = file_state(file)
        except OSError as error:
            message = f"{shown(file)}: cannot be read ({error.strerror})"
            raise DataError(message, "bring it back, or make the index again") from error
        lines.append(f"{file.resolve()}|{state}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def list_clips(
    path: Path,
    fps: float | None = None,
    split: str | None = None,
    root: Path | None = None,
    stored: Stored | None = None,
) -> list[Clip]:
    """The clips of a folder or an index, in natural order of their names.

    A folder holds video files, .npy arrays or folders of images, one each clip, named by its
    name without ending. An index is a parquet file of `reworld video index`.

    Args:
        path: the folder or index.
        fps: rate to read files at, None for their own; an index must have this rate.
        split: of the index; None for all.
        root: folder of the index's data; None = where they lay when it was made.
        stored: what the files of a folder do not say of their frames.

    Raises:
        DataError: nothing there, or no clips in it.
        ConfigError: a rate, split or root that the set does not have.
    """
    stored = stored or Stored()
    if path.suffix == ".parquet":
        if stored != Stored():
            raise ConfigError(
                f"{shown(path)} is an index, which says how its frames are stored",
                "leave range, layout and rate of this set out",
            )
        return _of_index(path, fps, split, root)
    for name, value in (("split", split), ("root", root)):
        if value is not None:
            raise ConfigError(f"{name}={value}: {shown(path)} is no index", f"leave {name} out")
    if not path.is_dir():
        raise DataError(f"{shown(path)}: no such folder or index", "name a folder of clips")
    found = [p for p in path.iterdir() if _is_clip(p)]
    if not found:
        endings = ", ".join(CLIP_SUFFIXES)
        raise DataError(
            f"{shown(path)}: holds no clips",
            f"put one file ({endings}) or one folder of images there for each clip",
        )
    clips = [FileClip(p.name if p.is_dir() else p.stem, p, fps, stored) for p in found]
    clips.sort(key=lambda clip: natural_key(Path(clip.name)))
    names = [clip.name for clip in clips]
    twice = sorted({name for name in names if names.count(name) > 1}) if names else []
    if twice:
        raise DataError(f"{shown(path)}: two clips are named {twice[0]}", "rename one of them")
    return list(clips)


def _is_clip(path: Path) -> bool:
    """By its name; what macOS puts beside a file (`._a.mp4`) is none."""
    named = path.suffix.lower() in CLIP_SUFFIXES and not path.name.startswith("._")
    return named or _holds_images(path)


def _holds_images(path: Path) -> bool:
    return path.is_dir() and any(p.suffix.lower() in IMAGE_SUFFIXES for p in path.iterdir())


def _of_index(path: Path, fps: float | None, split: str | None, root: Path | None) -> list[Clip]:
    index = read_index(path, root)
    if split is not None:
        index = index.split(split)
    index.check_files()
    clips: list[Clip] = []
    for number in range(len(index)):
        row = index.row(number)
        if fps is not None and not np.isclose(row["fps"], fps):
            raise ConfigError(
                f"{shown(path)}: its clips are at {row['fps']:g} fps, not at {fps:g}",
                f"say fps={row['fps']:g}, or make an index at {fps:g}",
            )
        clips.append(IndexClip(str(row["clip_id"]), row, index.root))
    if not clips:
        raise DataError(f"{shown(path)}: the index is empty", "make it again")
    return clips
