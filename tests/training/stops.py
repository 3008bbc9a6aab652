"""A run that loses its power on the way."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule

from reworld_agent.training import TrainRun, run
from reworld_agent.training.loop.module import StageModule


def cut_short(settings: TrainRun, steps: int, module: type[LightningModule] = StageModule) -> None:
    """Start a run that loses its power after so many steps, in every process at once."""
    step = module.training_step

    def fail(self: Any, batch: Any, batch_idx: int) -> torch.Tensor:
        if batch_idx >= steps * self.trainer.accumulate_grad_batches:
            raise OSError("power cut")
        return step(self, batch, batch_idx)  # type: ignore[return-value]

    module.training_step = fail  # type: ignore[method-assign]
    try:
        run(settings)
    except OSError:
        print("power cut")
    else:
        raise AssertionError("the run came to its end")
    finally:
        module.training_step = step  # type: ignore[method-assign]
