"""Video states of a frozen Video DiT, computed once for all scenes and kept in memory.

For small models and long stages: the states of one scene at the paper's size take 694 MB, those of
the tiny model 129 kB. The noise in the place of the future is the one that planning uses.
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

BATCH = 32
MEMORY_SHARE = 0.5  # of the machine's, that the states may take


class CachedStates(Dataset[Sample]):
    """Samples whose features are `states` float16 [blocks, N, D] and `ego`, instead of images.

    Args:
        dataset: the scenes, with their images.
        model: its Video DiT is frozen; on the device that computes the states.

    Raises:
        ConfigError: the states of all scenes do not fit in memory.
    """

    def __init__(self, dataset: Samples, model: ReWorldModel) -> None:
        self.dataset = dataset
        self.states = compute_states(dataset, model)

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, number: int) -> Sample:
        features, targets, token = self.dataset[number]
        return {"ego": features["ego"], "states": self.states[number]}, targets, token


@torch.no_grad()
def compute_states(dataset: Any, model: ReWorldModel) -> Tensor:
    """States float16 [S, blocks, N, D] of all scenes, on the CPU."""
    shape = (len(dataset), model.config.video.num_layers, model.grid.tokens)
    states = _empty((*shape, model.config.video.width))
    row = 0
    for features, _, _ in tqdm(DataLoader(dataset, BATCH), desc="video states", delay=5.0):
        found = torch.stack(model.planning_states(features), dim=1)
        states[row : row + len(found)] = found.half()
        row += len(found)
    return states


def _empty(shape: tuple[int, ...]) -> Tensor:
    size = 2 * torch.Size(shape).numel()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > MEMORY_SHARE * memory:
        message = f"the video states of {shape[0]} scenes take {size:,} bytes"
        raise ConfigError(
            f"{message}, of {memory:,} of memory", "set +agent.overrides.cache_states=false"
        )
    return torch.empty(shape, dtype=torch.float16)
