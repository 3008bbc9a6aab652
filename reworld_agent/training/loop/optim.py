"""Optimiser and learning-rate schedule of a stage."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from reworld_agent.training.stages import TrainingStage


def rate_factor(stage: TrainingStage, step: int) -> float:
    """Learning rate at an optimiser step (from 0), as a share of the stage's rate."""
    if step < stage.warmup_steps:
        return (step + 1) / stage.warmup_steps
    if stage.schedule == "constant":
        return 1.0
    span = max(stage.steps - stage.warmup_steps, 1)
    progress = min((step - stage.warmup_steps) / span, 1.0)
    return 0.5 * (1 + math.cos(math.pi * progress))


def build_optimizers(model: nn.Module, stage: TrainingStage) -> dict[str, Any]:
    """AdamW over what is trainable, with a rate per optimiser step, as Lightning takes it."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    first, second = stage.betas
    optimizer = torch.optim.AdamW(
        parameters, lr=stage.learning_rate, betas=(first, second), weight_decay=stage.weight_decay
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(stage, step))
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
    }
