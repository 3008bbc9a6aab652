"""One training step of a stage under Lightning, as `run_training.py` makes it, on made-up scenes.

The module, the loss, the trainer with its precision, clipping and sharding are those of a run. On
fake tensors (`account`) it tells what a step keeps, on real ones (`benchmarks.model`) its time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor

from reworld_agent.config import ClipConfig, ModelConfig
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.sharded_rng import ShardedRng
from reworld_agent.training.fit_settings import FitSettings, LoraSettings
from reworld_agent.training.loop.engine import lightning_trainer
from reworld_agent.training.loop.fitted import stage_module
from reworld_agent.training.loop.module import StageModule
from reworld_agent.training.prepare import set_trainable
from reworld_agent.training.stages import TrainingStage, on_clips

HALF = "bf16-true"
PROMPT_TOKENS = 128


@dataclass(frozen=True)
class StepPlan:
    """What a step is made of.

    Attributes:
        config: of the model.
        stage: the stage; one with a curriculum is in the first of its phases (see `phases_of`).
        fit, lora: how it fits.
        precision: of Lightning.
        strategy: of Lightning, or `fsdp2`.
        processes: that share its weights, where they are sharded.
        scenes: of one forward.
    """

    config: ModelConfig
    stage: TrainingStage
    fit: FitSettings = field(default_factory=FitSettings)
    lora: LoraSettings = field(default_factory=LoraSettings)
    precision: str = "32-true"
    strategy: str = "auto"
    processes: int = 1
    scenes: int = 1

    def replaced(self, **changes: Any) -> StepPlan:
        """A copy with other values."""
        return dataclasses.replace(self, **changes)

    @property
    def clip(self) -> ClipConfig:
        """The clip that its scenes are of."""
        phases = self.stage.phases
        return phases[0].apply(self.config.clip) if phases else self.config.clip


def phases_of(stage: TrainingStage, config: ModelConfig) -> list[TrainingStage]:
    """The stage as it runs in each of its phases; video stages of a large model run on clips."""
    if stage.needs_future_images and config.world_clip != config.clip:
        stage = on_clips(stage, config)
    if not stage.phases:
        return [stage]
    alone = [dataclasses.replace(phase, share=1.0) for phase in stage.phases]
    return [dataclasses.replace(stage, phases=(phase,)) for phase in alone]


def made_up_batch(
    config: ModelConfig, clip: ClipConfig, scenes: int
) -> tuple[dict[str, Tensor], dict[str, Tensor], list[str]]:
    """Features, targets and names of made-up scenes of a clip."""
    generator = torch.Generator().manual_seed(0)
    history, frames = clip.history_frames, clip.history_frames + clip.future_frames
    shape = (scenes, frames, 3, clip.views * clip.height, clip.width)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    plan = torch.rand(2, scenes, config.planner.horizon, 3, generator=generator)
    features = {"images": images[:, :history], "ego": torch.rand(scenes, 8, generator=generator)}
    if config.video.text == "prompt":
        width = config.video.caption_channels
        features["prompt"] = torch.rand(scenes, PROMPT_TOKENS, width, generator=generator)
        features["prompt_mask"] = torch.ones(scenes, PROMPT_TOKENS, dtype=torch.bool)
    targets = {
        "trajectory": plan[0],
        "future_images": images[:, history:],
        "hard_negative": plan[1],
        "hard_negative_valid": torch.ones(scenes, dtype=torch.bool),
    }
    return features, targets, [f"made up {number}" for number in range(scenes)]


@dataclass(frozen=True)
class Repeated:
    """A loader that gives one batch so many times."""

    batch: Any
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        return iter([self.batch] * self.count)


class FirstNumbers(ShardedRng):
    """Numbers of a run, but what decides the shape of a batch is not drawn: fake tensors have none.

    At 0 a batch is the largest that it can be: past chunks stand beside noised ones.
    """

    def common(self, like: Tensor) -> float:
        """0."""
        return 0.0


class QuietModule(StageModule):
    """The module of a run, whose numbers are not written down."""

    numbers = FirstNumbers

    def log(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""


def step_module(plan: StepPlan) -> StageModule:
    """The module of a plan with random weights, on the device that is torch's default."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if plan.precision == HALF else usual)
    try:
        model = ReWorldModel(plan.config)
    finally:
        torch.set_default_dtype(usual)
    set_trainable(model, plan.stage)
    module = stage_module(model, plan.stage, plan.fit, plan.lora)
    module.__class__ = QuietModule
    return module


def run_steps(
    plan: StepPlan, module: StageModule, steps: int, callbacks: list[Callback], **trainer: Any
) -> None:
    """Make optimiser steps of one forward each on the same made-up scenes.

    Args:
        plan: of the step.
        module: see `step_module`.
        steps: optimiser steps.
        callbacks: what looks on.
        trainer: further arguments of Lightning's.
    """
    given = {
        "accelerator": "cpu",
        "devices": 1,
        "strategy": "auto",
        **trainer,
        "precision": plan.precision,
        "gradient_clip_val": plan.stage.gradient_clip,
    }
    made = lightning_trainer(
        given,
        max_steps=steps,
        callbacks=callbacks,
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    made.fit(module, Repeated(made_up_batch(plan.config, plan.clip, plan.scenes), steps))
