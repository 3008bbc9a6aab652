"""What training the blind planner takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.settings import Settings, setting
from reworld_agent.scenes.roots import require_split


@dataclass(frozen=True, kw_only=True)
class TrainEgoStatusSettings(Settings):
    """The blind planner and its split; see `baselines.train_ego_status_mlp`."""

    data_split: str = setting(
        "folder of logs to learn from", "town_train", old_names=("--data-split",)
    )
    epochs: int = setting("passes over the split", 100, least=1, old_names=("--epochs",))
    seed: int = setting("of weights and order", 0, least=0, old_names=("--seed",))
    output: Path = setting(
        "the weights",
        Path("outputs/ego_status_mlp/model.safetensors"),
        writes=("",),
        metavar="FILE",
        old_names=("--output",),
    )

    def check(self) -> None:
        """The split is there."""
        require_split(self.data_split)
