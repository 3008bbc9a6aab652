"""Cutting a recording into clips of a steady rate; a clip never reaches over a gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.recording import Recording
from reworld_agent.clips.resample import nearest, steady_grid
from reworld_agent.core.errors import ConfigError

_US = 1e-6


@dataclass(frozen=True)
class ClipShape:
    """What is cut.

    Attributes:
        fps: frames per second of a clip.
        frames: frames of a clip.
        stride: frames from the start of one clip to the next.
    """

    fps: float = 8.0
    frames: int = 33
    stride: int = 12

    def __post_init__(self) -> None:
        if not 0 < self.fps < float("inf") or min(self.frames, self.stride) < 1:
            raise ConfigError(
                f"fps={self.fps} frames={self.frames} stride={self.stride}",
                "all three are positive, frames and stride whole",
            )

    @property
    def tolerance(self) -> float:
        """Seconds that a frame may lie from its place: half a step."""
        return 0.5 / self.fps


@dataclass(frozen=True)
class Cut:
    """The clips of one recording.

    Attributes:
        starts: place of each clip's first frame on the steady grid.
        indices: [clips, frames] frame numbers in the recording.
        gaps: places of the grid without a frame near enough.
        dropped: clips left out because they reach over a gap.
        rate: median frames per second of the recording; 0 where it has one frame.
    """

    starts: list[int]
    indices: NDArray[np.int64]
    gaps: int
    dropped: int
    rate: float


def cut(recording: Recording, shape: ClipShape) -> Cut:
    """All clips of a recording, by nearest timestamp."""
    stamps = recording.stamps
    if not len(stamps):
        return Cut([], np.zeros((0, shape.frames), dtype=np.int64), 0, 0, 0.0)
    times = (stamps - stamps[0]) * _US
    rate = float(1 / np.median(np.diff(times))) if len(times) > 1 else 0.0
    grid = steady_grid(times, shape.fps)
    indices = nearest(times, grid)
    far = np.abs(times[indices] - grid) > shape.tolerance
    places = range(0, len(grid) - shape.frames + 1, shape.stride)
    whole = [start for start in places if not far[start : start + shape.frames].any()]
    rows = [indices[start : start + shape.frames] for start in whole]
    table = np.array(rows, dtype=np.int64).reshape(len(whole), shape.frames)
    return Cut(whole, table, int(far.sum()), len(places) - len(whole), rate)


def chosen_files(recording: Recording, indices: NDArray[np.int64]) -> Iterator[str]:
    """The image files of these frames; the video where it holds them."""
    if recording.video:
        yield recording.video
    else:
        yield from (recording.files[index] for index in indices.tolist())
