"""A blind planner: ego velocity, acceleration and driving command through an MLP.

What the benchmark's papers call "Ego Status MLP" (Li et al., "Is Ego Status All You Need for
Open-Loop End-to-End Autonomous Driving?", 2024): how far one gets without looking.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from reworld_agent.compat import (
    AbstractAgent,
    AbstractFeatureBuilder,
    AbstractTargetBuilder,
    AgentInput,
    Scene,
    SensorConfig,
    TrajectorySampling,
    init_agent,
)
from reworld_agent.config.fields import choice
from reworld_agent.core.errors import WeightsError
from reworld_agent.core.records.checksums import verify_checksums

INPUT_SIZE = 8  # velocity 2, acceleration 2, command 4
_WEIGHTS = Path(__file__).parents[1] / "weights"
SHIPPED = {  # by the split that they have learned from
    "town_train": _WEIGHTS / "ego_status_mlp" / "model.safetensors",
    "town6_train": _WEIGHTS / "ego_status_mlp_town6" / "model.safetensors",
}
SHIPPED_WEIGHTS = SHIPPED["town_train"]


def build_mlp(hidden_size: int, num_poses: int) -> nn.Sequential:
    """Three hidden layers, then x, y [m], heading [rad] of each pose."""
    return nn.Sequential(
        nn.Linear(INPUT_SIZE, hidden_size),
        nn.ReLU(),
        nn.Linear(hidden_size, hidden_size),
        nn.ReLU(),
        nn.Linear(hidden_size, hidden_size),
        nn.ReLU(),
        nn.Linear(hidden_size, num_poses * 3),
    )


class EgoStatusFeatureBuilder(AbstractFeatureBuilder):
    """`AgentInput` → {"ego_status": float32 [8]}."""

    def get_unique_name(self) -> str:
        """`ego_status_feature`."""
        return "ego_status_feature"

    def compute_features(self, agent_input: AgentInput) -> dict[str, Tensor]:
        """Velocity [m/s] and acceleration [m/s²] in the ego frame, then the one-hot command."""
        status = agent_input.ego_statuses[-1]
        parts = (status.ego_velocity, status.ego_acceleration, status.driving_command)
        values = np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])
        return {"ego_status": torch.from_numpy(values)}


class TrajectoryTargetBuilder(AbstractTargetBuilder):
    """`Scene` → {"trajectory": float32 [T, 3]}, the logged future in the ego frame."""

    def __init__(self, num_poses: int) -> None:
        super().__init__()
        self.num_poses = num_poses

    def get_unique_name(self) -> str:
        """`trajectory_target`."""
        return "trajectory_target"

    def compute_targets(self, scene: Scene) -> dict[str, Tensor]:
        """The human's poses."""
        poses = scene.get_future_trajectory(self.num_poses).poses
        return {"trajectory": torch.from_numpy(np.asarray(poses, dtype=np.float32))}


class EgoStatusMLPAgent(AbstractAgent):
    """The blind planner.

    Args:
        hidden_size: width of the hidden layers.
        learning_rate: of Adam, in training.
        checkpoint_path: safetensors file, or the `agent.ckpt` of a training; None takes one that is
            shipped.
        learned_from: which of the shipped ones: that of `town_train` or of `town6_train`.

    Raises:
        ConfigError: none is shipped that has learned from that split.
    """

    requires_scene = False

    def __init__(
        self,
        hidden_size: int = 512,
        learning_rate: float = 1e-4,
        checkpoint_path: str | None = None,
        learned_from: str = "town_train",
    ) -> None:
        choice("learned_from", learned_from, tuple(SHIPPED))
        self.sampling = TrajectorySampling(time_horizon=4, interval_length=0.5)
        init_agent(self, self.sampling)
        self.learning_rate = learning_rate
        self.checkpoint_path = Path(checkpoint_path or SHIPPED[learned_from])
        self.mlp = build_mlp(hidden_size, self.sampling.num_poses or 0)

    def name(self) -> str:
        """`EgoStatusMLPAgent`."""
        return type(self).__name__

    def get_sensor_config(self) -> SensorConfig:
        """No sensors."""
        return SensorConfig.build_no_sensors()

    def initialize(self) -> None:
        """Load the weights; raises WeightsError where they are missing or of another size."""
        hint = "reworld train-ego-status-mlp makes them, and agent.ckpt of reworld train is one"
        if not self.checkpoint_path.is_file():
            raise WeightsError(f"{self.checkpoint_path}: no such weights", hint)
        # where some were written beside it
        verify_checksums(self.checkpoint_path.parent, hint, self.checkpoint_path.name)
        try:
            self.mlp.load_state_dict(_read(self.checkpoint_path))
        except Exception as error:  # safetensors and torch each have errors of their own
            # where torch cannot read a file, it advises to let it run code
            reason = str(error) if isinstance(error, RuntimeError) else "no readable file of them"
            raise WeightsError(f"{self.checkpoint_path}: {reason}", hint) from error

    def get_feature_builders(self) -> list[AbstractFeatureBuilder]:
        """Ego status."""
        return [EgoStatusFeatureBuilder()]

    def get_target_builders(self) -> list[AbstractTargetBuilder]:
        """The logged future."""
        return [TrajectoryTargetBuilder(self.sampling.num_poses or 0)]

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"ego_status": [B, 8]} → {"trajectory": [B, 8, 3]}."""
        return {"trajectory": self.mlp(features["ego_status"]).unflatten(-1, (-1, 3))}

    def compute_loss(
        self,
        features: dict[str, Tensor],
        targets: dict[str, Tensor],
        predictions: dict[str, Tensor],
    ) -> Tensor:
        """Mean absolute error over metres and radians alike."""
        return nn.functional.l1_loss(predictions["trajectory"], targets["trajectory"])

    def get_optimizers(self) -> Any:
        """Adam."""
        return torch.optim.Adam(self.mlp.parameters(), lr=self.learning_rate)


def _read(file: Path) -> dict[str, Tensor]:
    """Tensors of the MLP by name, from safetensors or a Lightning checkpoint of the agent."""
    if file.suffix == ".safetensors":
        return load_file(file)
    state = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    return {key.removeprefix("agent.mlp."): value for key, value in state.items()}
