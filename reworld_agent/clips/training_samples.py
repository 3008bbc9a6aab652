"""Clips as Stage 1 takes them: samples of the shape of `training.data.SceneDataset`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import Dataset

from reworld_agent.clips.dataset import ClipDataset
from reworld_agent.clips.index import ClipIndex
from reworld_agent.config import ClipConfig
from reworld_agent.errors import ConfigError

Sample = tuple[dict[str, Tensor], dict[str, Tensor], str]


class ClipSamples(Dataset[Sample]):
    """Samples (features, targets, clip_id) of an index.

    Features: `images` uint8 [T_history, 3, H, W] and `ego` float32 [8], velocity and acceleration
    (m/s, m/s²; forward and 0 sideways) and the command's one-hot at the present frame. Targets:
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
        present = self.history - 1
        speed, _, pull = clip["motion"][present]
        still = torch.zeros(())
        ego = torch.stack([speed, still, pull, still])
        features = {
            "images": clip["frames"][: self.history],
            "ego": torch.cat([ego, clip["command"][present]]),
        }
        return features, {"future_images": clip["frames"][self.history :]}, clip["clip_id"]


def check_rate(index: ClipIndex, clip: ClipConfig) -> None:
    """Raise ConfigError where an index has clips of another rate than the model's."""
    rates = sorted({float(rate) for rate in index.rows["fps"]})
    if rates != [clip.fps]:
        known = ", ".join(f"{rate:g}" for rate in rates)
        raise ConfigError(
            f"the clips have {known} fps, the model's {clip.fps:g}",
            f"say fps={rates[0]:g}, or make an index with fps={clip.fps:g}",
        )
