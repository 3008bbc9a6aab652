"""Scenes as any agent learns from them: what its own builders make of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from reworld_agent.scenes.loader import SceneLoader

Pair = tuple[dict[str, Tensor], dict[str, Tensor]]  # features, targets
MEMORY = 4 << 30  # bytes of samples that a process keeps


class AgentSamples(Dataset[Pair]):
    """Features and targets of scenes, built when they are first asked for, then kept in memory.

    A process keeps as many as 4 GiB hold; the others are built again each time.

    Args:
        agent: gives the builders.
        loader: the scenes, with the agent's sensors.
        tokens: of those that are taken; None = all.
    """

    def __init__(
        self, agent: Any, loader: SceneLoader, tokens: Sequence[str] | None = None
    ) -> None:
        self.loader, self.tokens = loader, list(loader.tokens if tokens is None else tokens)
        self.features = list(agent.get_feature_builders())
        self.targets = list(agent.get_target_builders())
        self._kept: dict[int, Pair] = {}
        self._free = MEMORY

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, number: int) -> Pair:
        if number in self._kept:
            return self._kept[number]
        pair = self._build(self.tokens[number])
        size = sum(_bytes(value) for part in pair for value in part.values())
        if size <= self._free:
            self._kept[number] = pair
            self._free -= size
        return pair

    def _build(self, token: str) -> Pair:
        scene = self.loader.get_scene_from_token(token)
        agent_input = scene.get_agent_input()
        features: dict[str, Tensor] = {}
        targets: dict[str, Tensor] = {}
        for builder in self.features:
            features.update(builder.compute_features(agent_input))
        for builder in self.targets:
            targets.update(builder.compute_targets(scene))
        return features, targets


def _bytes(value: Any) -> int:
    return value.numel() * value.element_size() if isinstance(value, torch.Tensor) else 0
