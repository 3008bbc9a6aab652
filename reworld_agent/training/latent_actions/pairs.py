"""Pairs of successive latents, and how the ego moved between them.

Shapes: S scenes, N pairs, F latent frames, L tokens, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent.core.errors import ConfigError
from reworld_agent.generation.plans import require_rate
from reworld_agent.model import ReWorldModel
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.datasets.held_out import spread_scenes
from reworld_agent.training.datasets.scene_arrays import SceneArrays, scene_arrays
from reworld_agent.training.latent_actions.settings import ActionTrainSettings
from reworld_agent.video.encoding import to_pixels
from reworld_agent.video.latent_actions import latent_tokens, plan_motion

TARGETS = ("dx", "dy", "dyaw")  # m, m, rad, in the ego frame of the first of both latents
_BATCH = 16  # scenes of one forward


@dataclass(frozen=True)
class Pairs:
    """Pairs of successive latents.

    Attributes:
        first, second: tokens [N, L, C].
        motion: float32 [N, 3], see TARGETS.
        groups: [N] the log of each.
    """

    first: Tensor
    second: Tensor
    motion: Tensor
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.first)


def open_pairs(settings: ActionTrainSettings, model: ReWorldModel) -> tuple[Pairs, Pairs]:
    """What is learned from, and what is judged on.

    Raises:
        ConfigError: poses are of another rate than frames, or a clip has but one latent.
        DataError: frames are not there.
    """
    config = model.config
    require_rate(1 / config.clip.fps, config.planner.interval)
    if config.clip.future_frames < config.codec.temporal_ratio or config.clip.views > 1:
        message = f"clips of {config.clip.future_frames} future frames, {config.clip.views} cameras"
        raise ConfigError(message, "use a model of one camera and at least two latents a clip")
    window = SceneFilter(frame_interval=1, max_scenes=settings.scenes)
    loaders = (
        resolve_split(settings.data_split).loader(window),
        spread_scenes(settings.validated, settings.judged, window),
    )
    learned, judged = (
        scene_pairs(model, scene_arrays(loader, config, True, settings.cache_path))
        for loader in loaders
    )
    return learned, judged


@torch.no_grad()
def scene_pairs(model: ReWorldModel, arrays: SceneArrays) -> Pairs:
    """All pairs of the current frame's and the future's latents, of one causal clip a scene.

    Raises:
        DataError: trajectories end before the clip does.
    """
    ratio, present = model.codec.temporal_ratio, model.config.clip.history_frames - 1
    length = arrays.frame_index.shape[1] - present
    latents = 1 + (length - 1) // ratio
    index = arrays.frame_index[:, present : present + 1 + (latents - 1) * ratio]
    found = []
    for rows in np.array_split(index, max(1, -(-len(index) // _BATCH))):
        pixels = to_pixels(torch.from_numpy(arrays.frames[rows]), model.codec.dtype)
        encoded = model.codec.encode(pixels.to(model.device)).latent_dist.mode()
        found.append(latent_tokens(encoded).float())
    tokens = torch.cat(found)
    motion = plan_motion(torch.from_numpy(arrays.trajectory), ratio, latents - 1)
    groups = np.repeat(np.asarray(arrays.logs), latents - 1)
    return Pairs(
        tokens[:, :-1].flatten(0, 1),
        tokens[:, 1:].flatten(0, 1),
        motion.flatten(0, 1).to(tokens.device),
        groups,
    )
