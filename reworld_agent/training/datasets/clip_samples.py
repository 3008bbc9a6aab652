"""Clips as Stage 1 takes them: samples of the shape of `training.data.SceneDataset`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from reworld_agent.clips.dataset import ClipDataset
from reworld_agent.clips.index import ClipIndex
from reworld_agent.config import ClipConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.training.datasets.scene_arrays import Sample


class ClipSamples(Dataset[Sample]):
    """Samples (features, targets, clip_id) of an index.

    Features: `images` uint8 [T_history, 3, H, W] and `ego` float32 [8], see `ego_state`. Targets:
    `future_images` uint8 [T_future, 3, H, W].

    Args:
        index: clips at the rate of `clip`, long enough for history and future.
        clip: lengths and size.

    Raises:
        ConfigError: the clips are of another rate, or too short. DataError: files are gone.
    """

    def __init__(self, index: ClipIndex, clip: ClipConfig) -> None:
        check_rate(index, clip)
        frames = clip.history_frames + clip.future_frames
        self.history = clip.history_frames
        self.clips = ClipDataset(index, frames, (clip.height, clip.width))

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> Sample:
        clip = self.clips[number]
        images = clip["frames"]
        features = {"images": images[: self.history], "ego": ego_state(clip, self.history - 1)}
        return features, {"future_images": images[self.history :]}, clip["clip_id"]


def ego_state(clip: dict[str, Any], present: int) -> Tensor:
    """Float32 [8] of a `ClipDataset`'s sample at frame `present`.

    Velocity and acceleration (m/s, m/s²; forward, and 0 sideways) and the command's one-hot.
    """
    speed, _, pull = clip["motion"][present]
    still = torch.zeros(())
    return torch.cat([torch.stack([speed, still, pull, still]), clip["command"][present]])


def check_rate(index: ClipIndex, clip: ClipConfig) -> None:
    """Raise ConfigError where an index has clips of another rate than the model's."""
    rates = index.distinct("fps")
    if rates != [clip.fps]:
        known = ", ".join(f"{rate:g}" for rate in rates)
        raise ConfigError(
            f"the clips have {known} fps, the model's {clip.fps:g}",
            f"make the index again with fps={clip.fps:g} "
            f"frames={clip.history_frames + clip.future_frames}",
        )
