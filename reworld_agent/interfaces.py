"""The agent interface of NAVSIM v1.1, for use where the devkit is not installed.

Same names, signatures and behaviour as the devkit's own abstract classes, so that one agent
class serves both hosts. Import these names from :mod:`reworld_agent.compat`, never from here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from reworld_agent.scenes.types import AgentInput, Scene, SensorConfig, Trajectory


class AbstractFeatureBuilder:
    """Turns what an agent may see (an `AgentInput`) into named tensors."""

    @abstractmethod
    def get_unique_name(self) -> str:
        """Name under which a training cache stores these features."""

    @abstractmethod
    def compute_features(self, agent_input: AgentInput) -> dict[str, Tensor]:
        """Features of one scene, without a batch dimension."""


class AbstractTargetBuilder:
    """Turns a whole `Scene`, future included, into named tensors to learn from."""

    @abstractmethod
    def get_unique_name(self) -> str:
        """Name under which a training cache stores these targets."""

    @abstractmethod
    def compute_targets(self, scene: Scene) -> dict[str, Tensor]:
        """Targets of one scene, without a batch dimension."""


class AbstractAgent(torch.nn.Module, ABC):
    """A planner: history in, 4 s trajectory out.

    Args:
        requires_scene: the agent is handed the whole scene (privileged; never for a submission).
    """

    requires_scene: bool

    def __init__(self, requires_scene: bool = False) -> None:
        super().__init__()
        self.requires_scene = requires_scene

    @abstractmethod
    def name(self) -> str:
        """Name of the agent."""

    @abstractmethod
    def get_sensor_config(self) -> SensorConfig:
        """Which cameras, and lidar, of which history frames are loaded."""

    @abstractmethod
    def initialize(self) -> None:
        """Load weights; called once in each worker before the first scene."""

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Batched features to predictions; `trajectory` is [B, 8, 3], ego frame (m, m, rad)."""
        raise NotImplementedError

    def get_feature_builders(self) -> list[Any]:
        """Builders whose tensors `forward` takes."""
        raise NotImplementedError(f"{self.name()} has no feature builders: it cannot be trained")

    def get_target_builders(self) -> list[Any]:
        """Builders whose tensors `compute_loss` takes."""
        raise NotImplementedError(f"{self.name()} has no target builders: it cannot be trained")

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        """Plan one scene: build features, run `forward` without gradients, wrap the poses."""
        self.eval()
        features: dict[str, Tensor] = {}
        for builder in self.get_feature_builders():
            features.update(builder.compute_features(agent_input))
        with torch.no_grad():
            predictions = self.forward({key: value[None] for key, value in features.items()})
        return Trajectory(predictions["trajectory"][0].float().cpu().numpy())

    def compute_loss(
        self,
        features: dict[str, Tensor],
        targets: dict[str, Tensor],
        predictions: dict[str, Tensor],
    ) -> Tensor:
        """Scalar training loss of a batch."""
        raise NotImplementedError(f"{self.name()} has no loss: it cannot be trained")

    def get_optimizers(self) -> Any:
        """An optimiser, or a dict with `optimizer` and `lr_scheduler`, as Lightning takes it."""
        raise NotImplementedError(f"{self.name()} has no optimiser: it cannot be trained")

    def get_training_callbacks(self) -> list[Any]:
        """Lightning callbacks used while training."""
        return []
