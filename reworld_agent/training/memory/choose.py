"""Gradient checkpointing and scenes per forward that fit a stated memory, by the accounting."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import torch

from reworld_agent.core.errors import ConfigError
from reworld_agent.training.fit_settings import AUTO
from reworld_agent.training.loop.parallel import GPU, shares, world_size
from reworld_agent.training.memory.account import GB, StepMemory, step_memory
from reworld_agent.training.memory.step import StepPlan, phases_of
from reworld_agent.training.settings import FSDP2
from reworld_agent.training.train_run import TrainRun

logger = logging.getLogger(__name__)
LEVELS = ("none", "2", "all")  # of gradient checkpointing, the fastest first
USABLE = 0.92  # of a device: the rest is the driver's, the kernels' own and what lies in pieces


@dataclass(frozen=True)
class Fit:
    """What was chosen.

    Attributes:
        checkpointing: `gradient_checkpointing`.
        scenes: per forward.
        memory: of the phase that keeps the most.
    """

    checkpointing: str
    scenes: int
    memory: StepMemory


class NotFitting(ConfigError):
    """One scene per forward does not fit; `memory` is what it would take at least."""

    def __init__(self, message: str, hint: str, memory: StepMemory) -> None:
        super().__init__(message, hint)
        self.memory = memory


def fitted(settings: TrainRun) -> TrainRun:
    """The settings with what their memory asks for in the place of what they leave open.

    Raises:
        NotFitting: one scene per forward does not fit.
    """
    memory = device_memory(settings)
    open_batch = settings.dataloader.batch_size is None
    if memory is None or not (open_batch or settings.fit.gradient_checkpointing == AUTO):
        return settings
    processes, stage = world_size(settings.trainer), settings.training_stage
    stage = stage.accounted(settings.config.planner.steps)  # rewards need scenes
    share, _ = shares(stage.batch_size, processes, settings.dataloader.batch_size)
    sharing = settings.trainer.shard_group(processes)  # copies of the weights take no more
    strategy = FSDP2 if settings.trainer.sharded else settings.trainer.strategy
    plan = StepPlan(
        settings.config,
        *(stage, settings.fit, settings.lora, settings.trainer.precision),
        *(strategy, sharing),
    )
    found = fit_step(plan, memory, share, open_batch)
    message = "gradient_checkpointing=%s, %d scenes per forward: %.3g of %.3g GB"
    numbers = found.memory.total / GB, memory / GB
    logger.info(message, found.checkpointing, found.scenes, *numbers)
    return settings.replaced(
        fit=settings.fit.replaced(gradient_checkpointing=found.checkpointing),
        dataloader=settings.dataloader.replaced(batch_size=found.scenes),
    )


def device_memory(settings: TrainRun) -> float | None:
    """Bytes of a device: stated, or CUDA's own; None where nobody knows."""
    if settings.fit.memory_gb is not None:
        return settings.fit.memory_gb * GB
    if settings.trainer.accelerator == "cpu" or not torch.cuda.is_available():
        return None
    asked = settings.trainer.accelerator in (*GPU, "auto")
    return float(torch.cuda.get_device_properties(0).total_memory) if asked else None


def fit_step(plan: StepPlan, memory: float, share: int, choose_scenes: bool = True) -> Fit:
    """The fastest way in which a step fits.

    Args:
        plan: of the step; its checkpointing counts unless it is `auto`.
        memory: bytes of a device.
        share: scenes of a process in one optimiser step.
        choose_scenes: False = all of them in one forward.

    Raises:
        NotFitting: none; says the smallest memory in which one scene fits.
    """
    given = plan.fit.gradient_checkpointing
    least, scenes = StepMemory(0, 0, {"": float("inf")}), 1 if choose_scenes else share
    for level in LEVELS if given == AUTO else (given,):
        fit = plan.fit.replaced(gradient_checkpointing=level)
        tried = plan.replaced(fit=fit)
        found = _worst(tried, scenes)
        if found.total <= USABLE * memory:
            if not choose_scenes or share == 1:
                return Fit(level, scenes, found)
            return _fill(tried, found, USABLE * memory, share)
        least = min(least, found, key=lambda one: one.total)
    smallest = _rounded_up(least.total / USABLE / GB)
    raise NotFitting(
        f"stage {plan.stage.name} needs {smallest:g} GB a device with {scenes} "
        f"{'scene' if scenes == 1 else 'scenes'} per forward, and has {memory / GB:g}",
        f"the smallest that fits is memory_gb={smallest:g}; "
        "trainer.params.strategy=fsdp2, lora.rank= and fewer scenes take less",
        least,
    )


def _rounded_up(value: float) -> float:
    """The next number of three digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return round(math.ceil(value / unit) * unit, 12)


def _fill(plan: StepPlan, one: StepMemory, usable: float, share: int) -> Fit:
    """As many scenes as fit, of those that the share can be divided by; what is chosen is counted.

    One and two scenes say which numbers are worth it.
    """
    level = plan.fit.gradient_checkpointing
    two = _worst(plan, 2)
    for scenes in (n for n in range(share, 1, -1) if share % n == 0):
        if scenes > 2 and one.along(two, scenes - 1).total > usable:
            continue
        found = _worst(plan, scenes)
        if found.total <= usable:
            return Fit(level, scenes, found)
    return Fit(level, 1, one)


def _worst(plan: StepPlan, scenes: int) -> StepMemory:
    """Of the phase that keeps the most."""
    phases = phases_of(plan.stage, plan.config)
    found = [step_memory(plan.replaced(stage=stage, scenes=scenes)) for stage in phases]
    return max(found, key=lambda one: one.total)
