"""Clips of an index as tensors, for training and for evaluation.

Shapes: T frames, H, W pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from reworld_agent.clips.decode import FrameReader, channels_first, open_video
from reworld_agent.clips.image_files import ImageFiles
from reworld_agent.clips.index import ClipIndex
from reworld_agent.clips.kinematics import COMMANDS
from reworld_agent.core.errors import ConfigError

Clip = dict[str, Any]


class ClipDataset(Dataset[Clip]):
    """One sample a clip; decoding happens in the workers of a DataLoader.

    Args:
        index: which clips.
        frames: the first so many of each clip; None = all.
        size: (H, W), see `fit`; None = as stored.
        check: see first that every file is still there.

    A sample holds:
        frames: uint8 [T, 3, H, W], RGB.
        motion: float32 [T, 3] speed (m/s), yaw rate (rad/s), acceleration (m/s²).
        poses: float32 [T, 3] x, y (m), heading (rad), seen from the clip's first frame.
        command: float32 [T, 4], one-hot left, straight, right, unknown.
        motion_known: bool; where False the motion and poses are zeros, the command unknown.
        times: float64 [T], s from the clip's first frame.
        clip_id: its name.

    Raises:
        ConfigError: clips are shorter than `frames`, or of several lengths where it is None.
        DataError: files are gone; later, a clip cannot be decoded (names its file).
    """

    def __init__(
        self,
        index: ClipIndex,
        frames: int | None = None,
        size: tuple[int, int] | None = None,
        check: bool = True,
    ) -> None:
        lengths = index.distinct("frames")
        if frames is None and len(lengths) > 1:
            message = f"the clips have {lengths[0]} to {lengths[-1]} frames"
            raise ConfigError(message, f"use frames={lengths[0]}")
        if lengths and frames is not None and frames > lengths[0]:
            message = f"the index has clips of {lengths[0]} frames, {frames} are asked for"
            raise ConfigError(message, f"make the index again with frames={frames}")
        if check:
            index.check_files()
        self.index, self.frames, self.size = index, frames, size

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> Clip:
        row = self.index.row(number)
        count = slice(0, self.frames or int(row["frames"]))
        indices = np.asarray(row["indices"], dtype=np.int64)[count]
        stamps = np.asarray(row["timestamps"], dtype=np.int64)[count]
        images = read_row(row, self.index.root, np.arange(len(indices)), self.size)
        return {
            "frames": torch.from_numpy(images),
            "times": torch.from_numpy((stamps - stamps[0]) / 1e6),
            **_motion(row, count),
            "clip_id": str(row["clip_id"]),
        }

    def motion(self, number: int) -> Clip:
        """A sample without its frames and times: nothing is decoded."""
        row = self.index.row(number)
        count = slice(0, self.frames or int(row["frames"]))
        return {**_motion(row, count), "clip_id": str(row["clip_id"])}


def read_row(
    row: dict[str, Any], root: Path, places: NDArray[np.int64], size: tuple[int, int] | None
) -> NDArray[np.uint8]:
    """Frames uint8 [T, 3, H, W] of an index row: those at `places` [T] of it, ascending."""
    if row["kind"] == "images":
        paths = [root / str(name) for name in row["files"]]
        reader: FrameReader = ImageFiles(paths, None, str(row["clip_id"]))
        return channels_first(reader.read(places, size))
    reader = open_video(root / str(row["video"]))
    indices = np.asarray(row["indices"], dtype=np.int64)  # of the video's own frames
    return channels_first(reader.read(indices[places], size))


def _motion(row: dict[str, Any], count: slice) -> dict[str, Tensor]:
    length = len(np.asarray(row["indices"])[count])
    known = row["speed"] is not None
    commands = list(row["command"])[count] if known else ["unknown"] * length
    numbers = [COMMANDS.index(command) for command in commands]
    one_hot = np.eye(len(COMMANDS), dtype=np.float32)[numbers]

    def columns(names: tuple[str, ...]) -> Tensor:
        if not known:
            return torch.zeros(length, len(names))
        values = [np.asarray(row[name], dtype=np.float32)[count] for name in names]
        return torch.from_numpy(np.stack(values, axis=1))

    return {
        "motion": columns(("speed", "yaw_rate", "acceleration")),
        "poses": columns(("x", "y", "heading")),
        "command": torch.from_numpy(one_hot),
        "motion_known": torch.tensor(known),
    }
