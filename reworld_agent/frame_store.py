"""Frames of scenes for training: decoded, in one array on disk, or left in their logs' images.

Shapes: F frames, V cameras, H, W pixels of one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reworld_agent.config import ClipConfig
from reworld_agent.features import resize_image
from reworld_agent.scenes.sensors import read_image

_ABOUT = b"reworld"
_KEYS = ("root", "views", "height", "width", "resize")


class FrameFiles:
    """Frames that are decoded when they are asked for; indexed as an array uint8 [F, 3, V H, W].

    Args:
        file: written by `write_frame_files`. Its paths are mapped, and take no memory.
    """

    def __init__(self, file: Path) -> None:
        self.filename = str(file)
        with pa.memory_map(self.filename) as source:
            table = pa.ipc.open_file(source).read_all()
        self._paths = table["path"]
        about = json.loads(table.schema.metadata[_ABOUT])
        self.root, self.views, self.height, self.width, self.resize = (about[k] for k in _KEYS)

    def __reduce__(self) -> tuple[Any, ...]:
        return FrameFiles, (Path(self.filename),)

    def __len__(self) -> int:
        return len(self._paths) // self.views

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """F, 3, V H, W."""
        return len(self), 3, self.views * self.height, self.width

    def __getitem__(self, numbers: NDArray[np.integer[Any]] | int) -> NDArray[np.uint8]:
        """Frames uint8 [..., 3, V H, W] of numbers [...]; DataError where an image is damaged."""
        wanted = np.asarray(numbers)
        frames = [self._frame(number) for number in wanted.ravel().tolist()]
        return np.stack(frames).reshape(*wanted.shape, *self.shape[1:])

    def _frame(self, number: int) -> NDArray[np.uint8]:
        paths = self._paths.slice(number * self.views, self.views).to_pylist()
        size = self.height, self.width
        images = [resize_image(read_image(Path(self.root) / p), *size, self.resize) for p in paths]
        return np.concatenate(images).transpose(2, 0, 1)


Frames: TypeAlias = "NDArray[np.uint8] | FrameFiles"


def write_frame_files(file: Path, paths: Sequence[str], root: Path, clip: ClipConfig) -> None:
    """Note where the images of frames lie.

    Args:
        file: to be written.
        paths: [F V] of the images, those of one frame one after the other, relative to the root.
        root: of the images.
        clip: the size that they are read in, and how they are resized.
    """
    about = {"root": str(root.absolute()), "views": clip.views, "height": clip.height}
    about |= {"width": clip.width, "resize": clip.resize}
    schema = pa.schema([("path", pa.string())], metadata={_ABOUT: json.dumps(about).encode()})
    with pa.ipc.new_file(str(file), schema) as writer:
        writer.write_table(pa.table([pa.array(paths, pa.string())], schema=schema))


def frames_file(frames: Frames) -> Path:
    """Where frames that `open_frames` gave lie."""
    return Path(frames.filename)  # type: ignore[union-attr]  # arrays are memory-mapped


def open_frames(file: Path, mode: Literal["r", "c"] = "r") -> Frames:
    """The frames of a file: an array that is mapped (`mode`, see np.load), or FrameFiles."""
    if file.suffix == ".npy":
        frames: NDArray[np.uint8] = np.load(file, mmap_mode=mode)
        return frames
    return FrameFiles(file)
