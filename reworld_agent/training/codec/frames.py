"""Frames that a codec learns from: windows of scenes, or clips of an index."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent.clips.dataset import ClipDataset
from reworld_agent.clips.index import read_index
from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.codec.settings import CodecTrainSettings
from reworld_agent.training.datasets.clip_samples import check_rate
from reworld_agent.training.datasets.held_out import spread, spread_scenes
from reworld_agent.training.datasets.scene_arrays import SceneArrays, scene_arrays


class Frames(Protocol):
    """Sequences of T frames each."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        """One of them, [T, 3, H, W]."""


class SceneFrames:
    """The current and the future frames of every scene."""

    def __init__(self, arrays: SceneArrays, history: int) -> None:
        self.arrays, self.present = arrays, history - 1

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        """One of them, [T, 3, H, W]."""
        return self.arrays.frames[self.arrays.frame_index[number, self.present :]]


class IndexFrames:
    """The clips of an index from the current frame on."""

    def __init__(self, clips: ClipDataset, history: int) -> None:
        self.clips, self.present = clips, history - 1

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        """One of them, [T, 3, H, W]."""
        frames: NDArray[np.uint8] = self.clips[number]["frames"][self.present :].numpy()
        return frames


def open_frames(settings: CodecTrainSettings, config: ModelConfig) -> tuple[Frames, Frames]:
    """What is learned from, and what is judged on.

    Raises:
        ConfigError: the clips are of another rate, or too short.
        DataError: frames are not there.
    """
    clip = config.clip if settings.clips is None else config.world_clip
    needed = config.video.prior_frames * config.codec.temporal_ratio
    if clip.future_frames < needed:
        message = f"clips of {clip.future_frames} future frames; video.prior needs {needed}"
        raise ConfigError(message, "set world_clip.future_frames to that of clip, or more")
    history = clip.history_frames
    if settings.clips is not None:
        index = read_index(settings.clips, settings.clips_root)
        check_rate(index, clip)
        size = (clip.height, clip.width)
        count = history + clip.future_frames
        learned, judged = (
            IndexFrames(ClipDataset(index.split(name), count, size), history)
            for name in (settings.learned, settings.validated)
        )
        return learned, judged
    window = SceneFilter(frame_interval=1, max_scenes=settings.scenes)
    loaders = (
        resolve_split(settings.learned).loader(window),
        spread_scenes(settings.validated, settings.judged, window),
    )
    first, second = (
        SceneFrames(
            scene_arrays(loader, config, future_images=True, cache=settings.cache_path), history
        )
        for loader in loaders
    )
    return first, second


def drawn(frames: Frames, settings: CodecTrainSettings, ratio: int, cell: int, step: int) -> Tensor:
    """The clips of a step, uint8 [B, 3, 1 + k r, h, w]: a function of seed and step alone.

    Cut at random in time and, to whole latent cells, in space; half of them mirrored.

    Args:
        frames: to draw from.
        settings: of the run.
        ratio: r, frames of a latent after the first.
        cell: pixels of a latent cell.
        step: from 0.

    Raises:
        DataError: a sequence is shorter than one latent after the first.
    """
    rng = np.random.default_rng([settings.seed, step])
    clips = []
    for number in rng.integers(0, len(frames), settings.batch_size):
        whole = frames[int(number)]
        latents = min(settings.latents - 1, (len(whole) - 1) // ratio)
        if settings.latents > 1 and latents < 1:
            message = f"sequences of {len(whole)} frames give no latent of {ratio}"
            raise DataError(message, "use longer clips, or latents=1")
        count = 1 + latents * ratio
        start = rng.integers(0, len(whole) - count + 1)
        clips.append(_cut(whole[start : start + count], settings.crop, cell, rng))
    return torch.from_numpy(np.stack(clips)).transpose(1, 2)


def _cut(
    clip: NDArray[np.uint8], crop: int, cell: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A window of whole cells, mirrored or not."""
    places = []
    for size in clip.shape[2:]:
        cells = size // cell
        side = min(crop or cells, cells)
        first = int(rng.integers(0, cells - side + 1)) * cell
        places.append(slice(first, first + side * cell))
    cut = clip[:, :, places[0], places[1]]
    return np.ascontiguousarray(cut[..., ::-1] if rng.random() < 0.5 else cut)


def some(frames: Frames, count: int, ratio: int) -> Tensor:
    """Up to `count` whole sequences, uint8 [M, 3, 1 + k r, H, W], spread evenly."""
    chosen = [frames[number] for number in spread(len(frames), count)]
    length = 1 + (len(chosen[0]) - 1) // ratio * ratio
    return torch.from_numpy(np.stack([clip[:length] for clip in chosen])).transpose(1, 2)
