"""The time of training steps: the module and the trainer of a run, on real tensors."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from lightning.pytorch import Callback

from reworld_agent.training.loop.engine import quiet
from reworld_agent.training.memory.step import StepPlan, run_steps, step_module


class _Clock(Callback):
    """Notes how long every step takes, once the device is done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._start = 0.0

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *batch: Any) -> None:
        self._start = self._now(pl_module.device)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *batch: Any) -> None:
        self.seconds.append(self._now(pl_module.device) - self._start)

    @staticmethod
    def _now(device: torch.device) -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def step_seconds(plan: StepPlan, device: str, repeats: int, warm_up: bool) -> float:
    """Seconds of the median step of a model of random weights.

    Args:
        plan: of the step.
        device: cpu or cuda.
        repeats: steps that count.
        warm_up: one before them that does not.
    """
    quiet()
    with torch.device(device):
        module = step_module(plan)
    clock = _Clock()
    run_steps(plan, module, repeats + warm_up, [clock], accelerator=device)
    return statistics.median(clock.seconds[int(warm_up) :])
