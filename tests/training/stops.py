"""A run that loses its power on the way."""

from __future__ import annotations

from typing import Any

import pytest
from lightning.pytorch import LightningModule

from reworld_agent.training import TrainRun, run
from reworld_agent.training.loop.module import StageModule


def cut_short(settings: TrainRun, steps: int, module: type[LightningModule] = StageModule) -> None:
    """Start a run that loses its power after so many steps, in every process at once."""
    step = module.training_step

    def fail(self: Any, batch: Any, batch_idx: int) -> Any:
        if batch_idx >= steps * self.trainer.accumulate_grad_batches:
            raise OSError("power cut")
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as cut:
        cut.setattr(module, "training_step", fail)
        try:
            run(settings)
        except OSError:
            print("power cut")
        else:
            raise AssertionError("the run came to its end")
