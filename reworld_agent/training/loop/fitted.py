"""The module of a stage as its memory settings have it: adapters, checkpointed blocks, compiled."""

from __future__ import annotations

from reworld_agent.model import ReWorldModel
from reworld_agent.training.fit_settings import FitSettings, LoraSettings
from reworld_agent.training.loop.blocks import checkpoint_blocks, compile_blocks
from reworld_agent.training.loop.lora import add_adapters
from reworld_agent.training.loop.module import StageModule
from reworld_agent.training.stages import TrainingStage


def stage_module(
    model: ReWorldModel,
    stage: TrainingStage,
    fit: FitSettings,
    lora: LoraSettings,
    seed: int = 0,
    start: str = "",
) -> StageModule:
    """What Lightning trains: the same for a run and for what measures its steps.

    Args:
        model: prepared for the stage (`prepare_stage`).
        stage: the stage.
        fit: `gradient_checkpointing` is no longer `auto`, or means none.
        lora: adapters, where it has a rank.
        seed, start: see `StageModule`.

    Raises:
        ConfigError: `lora` names a layer that the trained parts do not have.
    """
    add_adapters(model, stage, lora)
    checkpoint_blocks(model, fit.every)
    if fit.compile:
        compile_blocks(model)
    return StageModule(model, stage, seed, fit.optimizer, start)
