"""The Lightning module of every stage."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from reworld_agent.model import ReWorldModel
from reworld_agent.training.losses import Batch, require_finite, stage_loss
from reworld_agent.training.optim import build_optimizers
from reworld_agent.training.stages import TrainingStage


class StageModule(LightningModule):
    """Trains the parts of a model that a stage trains, towards the stage's terms.

    Args:
        model: prepared for the stage (`prepare_stage`).
        stage: the stage.
        seed: noise and times of a batch depend on it, on the batch's number and on the process,
            and on nothing that came before: a resumed run draws what it would have drawn.
    """

    def __init__(self, model: ReWorldModel, stage: TrainingStage, seed: int = 0) -> None:
        super().__init__()
        self.model, self.stage, self.seed = model, stage, seed

    def training_step(self, batch: tuple[Batch, Batch, list[str]], batch_idx: int) -> Tensor:
        """Loss of one batch (features, targets, tokens); DataError where it is not finite."""
        features, targets, tokens = batch
        generator = torch.Generator(self.device)
        generator.manual_seed((self.seed * 1_000_003 + batch_idx) * 4099 + self.global_rank)
        loss, logs = stage_loss(self.model, self.stage, features, targets, generator)
        scenes = ", ".join(tokens)
        require_finite(loss, f"at step {self.global_step}; the batch's scenes: {scenes}")
        for name, value in logs.items():
            self.log(f"train/{name}", value, prog_bar=name == "loss", batch_size=len(tokens))
        return loss

    def configure_optimizers(self) -> Any:
        """AdamW and the stage's schedule."""
        return build_optimizers(self.model, self.stage)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the gradient's norm, before clipping."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        self.log("train/gradient_norm", torch.nn.utils.get_total_norm(gradients))
