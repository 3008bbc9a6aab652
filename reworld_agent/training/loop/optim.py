"""Optimiser and learning-rate schedule of a stage."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from reworld_agent.core.extras import require_installed
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


def build_optimizers(
    model: nn.Module, stage: TrainingStage, eight_bit: bool = False, fused: bool | None = None
) -> dict[str, Any]:
    """AdamW over what is trainable, with a rate per optimiser step, as Lightning takes it.

    Args:
        model: prepared for its stage.
        stage: of the rate and its schedule.
        eight_bit: moments in 8 bits (bitsandbytes).
        fused: one kernel, without temporary copies of all weights; None = on CUDA.

    Raises:
        ReWorldError: `eight_bit` without bitsandbytes.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    first, second = stage.betas
    kind: Any = torch.optim.AdamW
    how: dict[str, Any] = {}
    if eight_bit:
        require_installed("bitsandbytes")
        # 43 MB that only this choice needs
        from bitsandbytes.optim import AdamW8bit  # noqa: PLC0415

        kind = AdamW8bit
    elif fused or (fused is None and parameters and parameters[0].is_cuda):
        how["fused"] = True
    optimizer = kind(
        *(parameters, stage.learning_rate, (first, second)),
        weight_decay=stage.weight_decay,
        **how,
    )
    # gradients come to it unscaled: Lightning else refuses to clip those of a fused optimiser
    optimizer._step_supports_amp_scaling = False
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(stage, step))
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
    }
