"""What a frozen part makes of every scene, computed once and kept in memory.

Of the Video DiT: its states, for small models and long stages: those of one scene at the paper's
size take 694 MB, those of the tiny model 129 kB. The noise in the place of the future is the one
that planning uses. Of the codec: the latents of history and future, for Stage 1 on scenes.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from reworld_agent.core.errors import ConfigError
from reworld_agent.model import ReWorldModel
from reworld_agent.training.datasets.loading import Samples
from reworld_agent.training.datasets.scene_arrays import Sample
from reworld_agent.video.encoding import encode_clip

BATCH = 32
MEMORY_SHARE = 0.5  # of the machine's, that the states may take


class CachedStates(Dataset[Sample]):
    """Samples whose features are `states` float16 [blocks, N, D] and `ego`, instead of images.

    Args:
        dataset: the scenes, with their images.
        states: of their Video DiT, see `compute_states` and `state_store.stored_states`.
    """

    def __init__(self, dataset: Samples, states: Tensor) -> None:
        self.dataset, self.states = dataset, states

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, number: int) -> Sample:
        features, targets, token = self.dataset[number]
        return {"ego": features["ego"], "states": self.states[number]}, targets, token


class CachedLatents(Dataset[Sample]):
    """Samples whose features are `latents` float16 [C, F, h, w] and `ego`, instead of images.

    Args:
        dataset: the scenes, with their images and future images.
        model: its codec gives one latent for one image; on the device that computes them.

    Raises:
        ConfigError: the codec's latents are drawn anew each time, or do not fit in memory.
    """

    def __init__(self, dataset: Samples, model: ReWorldModel) -> None:
        if model.config.codec.posterior != "mode":
            message = f"cache_latents=true with codec.posterior={model.config.codec.posterior}"
            raise ConfigError(message, "set +agent.overrides.cache_latents=false")
        self.dataset = dataset
        self.latents = compute_latents(dataset, model)

    def __len__(self) -> int:
        return len(self.latents)

    def __getitem__(self, number: int) -> Sample:
        features, _, token = self.dataset[number]
        return {"ego": features["ego"], "latents": self.latents[number].float()}, {}, token


def compute_states(dataset: Samples, model: ReWorldModel) -> Tensor:
    """States float16 [S, blocks, N, D] of all scenes, on the CPU.

    Raises:
        ConfigError: they do not fit in memory.
    """
    states = _empty(states_shape(dataset, model))
    fill_states(states, dataset, model)
    return states


def states_shape(dataset: Samples, model: ReWorldModel) -> tuple[int, int, int, int]:
    """S, blocks, N and D of the states of all scenes."""
    video = model.config.video
    return len(dataset), video.num_layers, model.grid.tokens, video.width


@torch.no_grad()
def fill_states(states: Tensor, dataset: Any, model: ReWorldModel) -> None:
    """Write the states of all scenes into `states` float16 [S, blocks, N, D].

    Args:
        states: on the CPU.
        dataset: the scenes, with their images.
        model: its Video DiT is frozen; on the device that computes the states.
    """
    row = 0
    for features, _, _ in tqdm(DataLoader(dataset, BATCH), desc="video states", delay=5.0):
        found = torch.stack(model.planning_states(features), dim=1)
        states[row : row + len(found)] = found.half()
        row += len(found)


@torch.no_grad()
def compute_latents(dataset: Any, model: ReWorldModel) -> Tensor:
    """Latents float16 [S, C, F, h, w] of history and future of all scenes, on the CPU."""
    grid, channels = model.grid, model.config.codec.latent_channels
    latents = _empty((len(dataset), channels, grid.frames, grid.rows, grid.width))
    row = 0
    for features, targets, _ in tqdm(DataLoader(dataset, BATCH), desc="latents", delay=5.0):
        images = features["images"].to(model.device), targets["future_images"].to(model.device)
        found = encode_clip(model.codec, model.config.clip, *images)
        latents[row : row + len(found)] = found.half()
        row += len(found)
    return latents


def _empty(shape: tuple[int, ...]) -> Tensor:
    size = 2 * torch.Size(shape).numel()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > MEMORY_SHARE * memory:
        message = f"what is kept of {shape[0]} scenes takes {size:,} bytes"
        raise ConfigError(
            f"{message}, of {memory:,} of memory",
            "set +agent.overrides.cache_states=false (Stage 1: cache_latents)",
        )
    return torch.empty(shape, dtype=torch.float16)
