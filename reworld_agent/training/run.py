"""One training stage from a Hydra config: data, model, Lightning, weights folder."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import hydra
import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from reworld_agent.clips.prompted import PromptedSamples, scene_sentences
from reworld_agent.clips.stage_samples import ClipChoice, stage_samples
from reworld_agent.clips.training_samples import on_clips
from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.errors import ConfigError
from reworld_agent.evaluation.provenance import weights_hash
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.targets import NegativeTargets
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training import engine
from reworld_agent.training.callbacks import ExportWeights
from reworld_agent.training.data import SceneArrays, SceneDataset, scene_arrays
from reworld_agent.training.ema import AverageWeights
from reworld_agent.training.loading import BatchPlan, Samples, StageData
from reworld_agent.training.module import StageModule
from reworld_agent.training.parallel import FSDP2
from reworld_agent.training.prepare import prepare_stage
from reworld_agent.training.resume import CHECKPOINT, finished_steps
from reworld_agent.training.stages import TrainingStage, load_stage
from reworld_agent.training.state_cache import CachedStates
from reworld_agent.training.words import TABLE2, check_words, latents_folders, prompt_book

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Train one stage; 0 when its weights were written to `<output_dir>/weights`.

    A run that was cut short goes on from its last checkpoint, in the same `output_dir`, and ends
    in the weights that it would have had.

    Args:
        cfg: keys `agent` (model, recipe, stage, init_from, overrides), `train_test_split`
            (data_split, scene_filter), `hard_negatives`, `dataloader.params`, `trainer.params`,
            `output_dir`, `cache_path`, `seed`, `resume`; `clips`, `clips_split`: an index of
            clips for Stage 1 instead of scenes, and its split; `latents`, `prompts`, `t5`,
            `protocol`, `representation`, `encoder`, `random_encoder`, `vae`: see the config.

    Raises:
        ReWorldError: whatever the user can mend, before the first step where possible.
    """
    engine.quiet()
    stage, seed = _stage(cfg), int(cfg.seed)
    check_words(cfg)
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
    dataset = _dataset(cfg, stage, model)
    stage, plan = engine.batches(cfg, stage, len(dataset))
    output = Path(cfg.output_dir)
    more = {"initial_weights": weights_hash(model)}
    checkpoint = engine.checkpoint(cfg, stage, output, more | _told_record(config))
    if checkpoint is not None:
        plan = dataclasses.replace(plan, done=finished_steps(checkpoint))
    trainer = engine.build_trainer(cfg, stage, plan, output, _callbacks(cfg, stage, model))
    trainer.fit(
        StageModule(model, stage, seed),
        datamodule=_data(cfg, stage, plan, dataset, model),
        ckpt_path=checkpoint,
    )
    if trainer.is_global_zero:  # a finished run is not gone on with
        (output / CHECKPOINT).unlink(missing_ok=True)
        print(f"stage {stage.name} is done: {output / 'weights'}")
    return 0


def _stage(cfg: DictConfig) -> TrainingStage:
    """The stage, its steps as the trainer's `max_steps` has them."""
    agent = cfg.agent
    if "stage" not in agent:
        message = f"agent {agent.get('_target_')} has no training stages"
        raise ConfigError(message, "use agent=reworld")
    overrides: Any = OmegaConf.to_container(agent.overrides or OmegaConf.create({}), resolve=True)
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


def _dataset(cfg: DictConfig, stage: TrainingStage, model: ReWorldModel) -> Samples:
    """What the stage learns from: clips of an index, or the scenes of the config's split."""
    book = prompt_book(cfg, model.config)
    if cfg.get("clips"):
        table, split, start = Path(cfg.clips), str(cfg.clips_split), cfg.agent.init_from
        return stage_samples(
            ClipChoice(table, split, latents_folders(cfg), book, start), stage, model
        )
    arrays = load_arrays(cfg, stage)
    clip = model.config.clip
    scenes = SceneDataset(arrays, clip.history_frames, load_negatives(cfg, stage, arrays))
    if book is None:
        return scenes
    sentences = scene_sentences(_loader(cfg), clip)
    return PromptedSamples(scenes, [sentences[token] for token in arrays.tokens], book)


def _data(
    cfg: DictConfig, stage: TrainingStage, plan: BatchPlan, dataset: Samples, model: ReWorldModel
) -> StageData:
    """Loads the batches; clips have samples of their own for every phase."""
    whole: Any = dataset
    samples: Samples = CachedStates(whole, model) if stage.cache_states else dataset
    logger.info(
        "stage %s: %d samples, steps %d to %d", stage.name, len(dataset), plan.done, plan.steps
    )
    workers = int(cfg.dataloader.params.get("num_workers") or 0)
    phases = stage.phases if cfg.get("clips") else ()
    return StageData(samples, plan, int(cfg.seed), workers, phases)


def _loader(cfg: DictConfig) -> SceneLoader:
    split = cfg.train_test_split
    return resolve_split(split.data_split).loader(hydra.utils.instantiate(split.scene_filter))


def load_arrays(cfg: DictConfig, stage: TrainingStage) -> SceneArrays:
    """The training arrays of the config's split."""
    cache = Path(cfg.cache_path) if cfg.get("cache_path") else None
    config = load_model_config(cfg.agent.model, cfg.agent.recipe)
    return scene_arrays(_loader(cfg), config, stage.needs_future_images, cache)


def load_negatives(
    cfg: DictConfig, stage: TrainingStage, arrays: SceneArrays
) -> dict[str, NDArray[np.float32]] | None:
    """The hard negatives of Stage 3 by token; None where the stage has no use for them.

    A scene without one, or a run without a pool, is no error: L_RDE is 0 there. Both are counted.
    """
    if stage.weights.repulsion <= 0:
        return None
    settings: Any = OmegaConf.to_container(cfg.hard_negatives, resolve=True)
    targets = NegativeTargets.open(settings, str(cfg.train_test_split.data_split))
    experts = zip(arrays.tokens, arrays.trajectory, strict=True)
    nearest = {token: targets.nearest(token, expert) for token, expert in experts}
    logger.log(logging.INFO if targets.found else logging.WARNING, targets.summary())
    return {token: poses for token, poses in nearest.items() if poses is not None}


def _callbacks(cfg: DictConfig, stage: TrainingStage, model: ReWorldModel) -> list[Callback]:
    """What writes the weights, and their average where the stage asks for it."""
    average = [AverageWeights(model, stage.ema_decay)] if stage.ema_decay else []
    if average and cfg.trainer.params.get("strategy") == FSDP2:
        message = f"stage {stage.name}: ema_decay={stage.ema_decay} with strategy={FSDP2}"
        raise ConfigError(message, "use strategy=ddp, or +agent.overrides.ema_decay=null")
    return [ExportWeights(model, stage), *average]
