"""One training stage from a Hydra config: data, model, Lightning, weights folder."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig

from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.model import ReWorldModel
from reworld_agent.training import engine
from reworld_agent.training.callbacks import ExportWeights
from reworld_agent.training.datasets.clip_phases import on_clips
from reworld_agent.training.datasets.held_out import ValidationSettings
from reworld_agent.training.datasets.loading import BatchPlan, Samples, StageData
from reworld_agent.training.datasets.run_samples import run_samples
from reworld_agent.training.ema import AverageWeights
from reworld_agent.training.hydra_stage import plain_overrides
from reworld_agent.training.module import StageModule
from reworld_agent.training.numbers import check_numbers
from reworld_agent.training.parallel import FSDP2
from reworld_agent.training.prepare import prepare_stage
from reworld_agent.training.resume import finish, finished_steps, say_finished
from reworld_agent.training.stages import TrainingStage, load_stage
from reworld_agent.training.state_cache import CachedStates
from reworld_agent.training.words import TABLE2, check_words

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Train one stage; 0 when its weights are in `<output_dir>/weights`.

    A run that was cut short goes on from its last checkpoint, in the same `output_dir`, and ends
    in the weights that it would have had. A finished one is left alone unless `resume` is false.

    Args:
        cfg: keys `agent` (model, recipe, stage, init_from, overrides), `train_test_split`
            (data_split, scene_filter), `hard_negatives`, `dataloader.params`, `trainer.params`,
            `output_dir`, `cache_path`, `seed`, `resume`; `clips`, `clips_split`: an index of
            clips for Stage 1 instead of scenes, and its split; `latents`, `prompts`, `t5`,
            `protocol`, `representation`, `encoder`, `random_encoder`, `vae`: see the config.

    Raises:
        ReWorldError: whatever the user can fix, before the first step where possible.
    """
    engine.quiet()
    check_numbers(cfg)
    stage, seed = _stage(cfg), int(cfg.seed)
    check_words(cfg)
    engine.check_trainer(cfg)
    if cfg.get("protocol") == TABLE2:
        from reworld_agent.training.table2.stage import run_table2

        return run_table2(cfg)
    config = _told(cfg, load_model_config(cfg.agent.model, cfg.agent.recipe))
    pl.seed_everything(seed, verbose=False)
    model = ReWorldModel(config)
    if cfg.get("clips"):
        stage = on_clips(stage, config)
    else:
        _check_phases(stage, config)
    prepare_stage(model, stage, cfg.agent.init_from)
    learned, held_out = run_samples(cfg, stage, model)
    stage, plan = engine.batches(cfg, stage, len(learned))
    output = Path(cfg.output_dir)
    more = {"initial_weights": weights_hash(model), "samples": len(learned)}
    standing = engine.start(cfg, stage, output, more | _told_record(config))
    if standing.finished is not None:
        say_finished(f"stage {stage.name}", standing.finished)
        return 0
    if standing.checkpoint is not None:
        plan = dataclasses.replace(plan, done=finished_steps(standing.checkpoint))
    callbacks, validate = _callbacks(cfg, stage, model), held_out is not None
    trainer = engine.build_trainer(cfg, stage, plan, output, callbacks, validate)
    message = "stage %s: %d samples, steps %d to %d; %d to be validated on"
    watched = 0 if held_out is None else len(held_out)
    logger.info(message, stage.name, len(learned), plan.done, plan.steps, watched)
    if stage.cache_states:
        learned = CachedStates(learned, model)
        held_out = None if held_out is None else CachedStates(held_out, model)
    data = _data(cfg, stage, plan, learned, held_out)
    module = StageModule(model, stage, seed)
    engine.fit(trainer, module, datamodule=data, ckpt_path=standing.checkpoint)
    if trainer.is_global_zero:
        finish(output, "weights")
        print(f"stage {stage.name} is done: {output / 'weights'}")
    return 0


def _stage(cfg: DictConfig) -> TrainingStage:
    """The stage, its steps as the trainer's `max_steps` has them."""
    agent = cfg.agent
    if "stage" not in agent:
        message = f"agent {agent.get('_target_')} has no training stages"
        raise ConfigError(message, "use agent=reworld")
    overrides = plain_overrides(agent.overrides)
    return engine.with_steps(cfg, load_stage(agent.stage, agent.recipe, agent.model, overrides))


def _told(cfg: DictConfig, config: ModelConfig) -> ModelConfig:
    """The model's configuration; with `prompts=`, of a model that is told sentences."""
    if not cfg.get("prompts"):
        return config
    return dataclasses.replace(config, video=dataclasses.replace(config.video, text="prompt"))


def _told_record(config: ModelConfig) -> dict[str, Any]:
    return {} if config.video.text == "none" else {"text": config.video.text}


def _check_phases(stage: TrainingStage, config: ModelConfig) -> None:
    """Raise ConfigError where a phase of the curriculum needs longer clips than scenes give."""
    for number, phase in enumerate(stage.phases, 1):
        clip = phase.apply(config.clip)
        if (
            clip.history_frames > config.clip.history_frames
            or clip.future_frames > config.clip.future_frames
        ):
            raise ConfigError(
                f"stage {stage.name}: phase {number} of the curriculum needs "
                f"{clip.history_frames} + {clip.future_frames} frames at {clip.fps:g} Hz; scenes "
                f"have {config.clip.history_frames} + {config.clip.future_frames} at "
                f"{config.clip.fps:g} Hz",
                "train on clips (clips=INDEX.parquet, see `reworld video index`), or on scenes "
                "without a curriculum: '+agent.overrides.phases=[]'",
            )


def _data(
    cfg: DictConfig,
    stage: TrainingStage,
    plan: BatchPlan,
    learned: Samples,
    held_out: Samples | None,
) -> StageData:
    """Loads the batches; clips have samples of their own for every phase."""
    workers = int(cfg.dataloader.params.get("num_workers") or 0)
    phases = stage.phases if cfg.get("clips") else ()
    count = ValidationSettings.of(cfg).samples
    return StageData(learned, plan, int(cfg.seed), workers, phases, held_out, count)


def _callbacks(cfg: DictConfig, stage: TrainingStage, model: ReWorldModel) -> list[Callback]:
    """What writes the weights, and their average where the stage asks for it."""
    average = [AverageWeights(model, stage.ema_decay)] if stage.ema_decay else []
    if average and cfg.trainer.params.get("strategy") == FSDP2:
        message = f"stage {stage.name}: ema_decay={stage.ema_decay} with strategy={FSDP2}"
        raise ConfigError(message, "use strategy=ddp, or +agent.overrides.ema_decay=null")
    return [ExportWeights(model, stage), *average]
