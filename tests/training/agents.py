"""An agent as somebody else writes one: dropout, a schedule of epochs, a callback."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

from reworld_agent.baselines import EgoStatusMLPAgent


class CountingCallback(Callback):
    """Takes batches apart as the devkit's callbacks do."""

    def __init__(self) -> None:
        super().__init__()
        self.scenes: list[int] = []

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        features, targets = batch
        assert len(features["ego_status"]) == len(targets["trajectory"])
        self.scenes.append(len(targets["trajectory"]))


class ForksAgent(EgoStatusMLPAgent):
    """As agents of the devkit's forks are: shown the targets, and gives its loss by its terms."""

    def __init__(self, checkpoint_path: str | None = None) -> None:
        super().__init__(hidden_size=16, learning_rate=1e-2, checkpoint_path=checkpoint_path)

    def forward(
        self, features: dict[str, Tensor], targets: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        found = super().forward(features)
        if targets is not None:
            gap = nn.functional.mse_loss(found["trajectory"], targets["trajectory"])
            found["trajectory_loss"] = gap
        return found

    def compute_loss(  # type: ignore[override]  # the forks' own contract
        self,
        features: dict[str, Tensor],
        targets: dict[str, Tensor],
        predictions: dict[str, Tensor],
    ) -> dict[str, Tensor | None]:
        gap = predictions["trajectory_loss"]
        return {"loss": 2 * gap, "trajectory_loss": gap, "agent_loss": None}


class SomebodysAgent(EgoStatusMLPAgent):
    """Drops units, and halves its rate every epoch."""

    counter = CountingCallback()

    def __init__(self, checkpoint_path: str | None = None) -> None:
        super().__init__(hidden_size=16, learning_rate=1e-2, checkpoint_path=checkpoint_path)
        self.mlp.insert(1, nn.Dropout(0.5))

    def get_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def get_training_callbacks(self) -> list[Any]:
        return [self.counter]

    def compute_loss(
        self,
        features: dict[str, Tensor],
        targets: dict[str, Tensor],
        predictions: dict[str, Tensor],
    ) -> Tensor:
        return nn.functional.mse_loss(predictions["trajectory"], targets["trajectory"])
