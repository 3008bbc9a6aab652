"""One training stage from a Hydra config: data, model, Lightning, weights folder."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from pathlib import Path
from typing import Any

import hydra
import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from reworld_agent.clips.training_samples import ClipSamples, on_clips, stage_samples
from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.errors import ConfigError
from reworld_agent.evaluation.provenance import weights_hash
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.targets import NegativeTargets
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.callbacks import ExportWeights, KeepStopped, SpikeWatch
from reworld_agent.training.data import SceneArrays, SceneDataset, scene_arrays
from reworld_agent.training.ema import AverageWeights
from reworld_agent.training.loading import BatchPlan, StageData
from reworld_agent.training.module import StageModule
from reworld_agent.training.parallel import FSDP2, shares, strategy, world_size
from reworld_agent.training.prepare import prepare_stage
from reworld_agent.training.resume import CHECKPOINT, STOPPED, check_record, finished_steps
from reworld_agent.training.stages import TrainingStage, load_stage, stage_table
from reworld_agent.training.state_cache import CachedStates

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Train one stage; 0 when its weights were written to `<output_dir>/weights`.

    A run that was cut short goes on from its last checkpoint, in the same `output_dir`, and ends
    in the weights that it would have had.

    Args:
        cfg: keys `agent` (model, recipe, stage, init_from, overrides), `train_test_split`
            (data_split, scene_filter), `hard_negatives`, `dataloader.params`, `trainer.params`,
            `output_dir`, `cache_path`, `seed`, `resume`; `clips`, `clips_split`: an index of
            clips for Stage 1 instead of scenes, and its split.

    Raises:
        ReWorldError: whatever the user can mend, before the first step where possible.
    """
    _quiet()
    stage, seed = _stage(cfg), int(cfg.seed)
    config = load_model_config(cfg.agent.model, cfg.agent.recipe)
    pl.seed_everything(seed, verbose=False)
    model = ReWorldModel(config)
    if cfg.get("clips"):
        stage = on_clips(stage, config)
    else:
        _check_phases(stage, config)
    prepare_stage(model, stage, cfg.agent.init_from)
    dataset = _dataset(cfg, stage, config)
    stage, plan = _batches(cfg, stage, len(dataset))
    output = Path(cfg.output_dir)
    checkpoint = _checkpoint(cfg, stage, output, weights_hash(model))
    if checkpoint is not None:
        plan = dataclasses.replace(plan, done=finished_steps(checkpoint))
    samples = CachedStates(dataset, model) if stage.cache_states else dataset
    data = StageData(samples, plan, seed, int(cfg.dataloader.params.get("num_workers") or 0))
    logger.info(
        "stage %s: %d samples, steps %d to %d", stage.name, len(dataset), plan.done, plan.steps
    )
    trainer = _trainer(cfg, stage, plan, model, output)
    trainer.fit(StageModule(model, stage, seed), datamodule=data, ckpt_path=checkpoint)
    if trainer.is_global_zero:  # a finished run is not gone on with
        (output / CHECKPOINT).unlink(missing_ok=True)
        print(f"stage {stage.name} is done: {output / 'weights'}")
    return 0


def _quiet() -> None:
    """Silence Lightning's advertisements, and its warnings about what is meant so here."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    known = (
        "Found .* in eval mode",
        "The number of training batches",
        ".*LeafSpec",
        "You're resum",
    )
    for text in (*known, "Checkpoint directory .* exists"):
        warnings.filterwarnings("ignore", message=text)


def _stage(cfg: DictConfig) -> TrainingStage:
    """The stage, its steps as the trainer's `max_steps` has them."""
    agent = cfg.agent
    if "stage" not in agent:
        message = f"agent {agent.get('_target_')} has no training stages"
        raise ConfigError(message, "use agent=reworld")
    overrides: Any = OmegaConf.to_container(agent.overrides or OmegaConf.create({}), resolve=True)
    stage = load_stage(agent.stage, agent.recipe, agent.model, overrides)
    steps = cfg.trainer.params.get("max_steps", -1)
    return dataclasses.replace(stage, steps=steps) if steps and steps > 0 else stage


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


def _dataset(
    cfg: DictConfig, stage: TrainingStage, config: ModelConfig
) -> SceneDataset | ClipSamples:
    """What the stage learns from: clips of an index, or the scenes of the config's split."""
    if cfg.get("clips"):
        return stage_samples(Path(cfg.clips), str(cfg.clips_split), stage, config)
    arrays = load_arrays(cfg, stage)
    return SceneDataset(arrays, config.clip.history_frames, load_negatives(cfg, stage, arrays))


def load_arrays(cfg: DictConfig, stage: TrainingStage) -> SceneArrays:
    """The training arrays of the config's split."""
    split = cfg.train_test_split
    roots = resolve_split(split.data_split)
    loader = roots.loader(hydra.utils.instantiate(split.scene_filter))
    cache = Path(cfg.cache_path) if cfg.get("cache_path") else None
    config = load_model_config(cfg.agent.model, cfg.agent.recipe)
    return scene_arrays(loader, config, stage.needs_future_images, cache)


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


def _batches(cfg: DictConfig, stage: TrainingStage, scenes: int) -> tuple[TrainingStage, BatchPlan]:
    """Batches that make up the stage's global batch; its steps, cut to `max_epochs`."""
    processes = world_size(dict(cfg.trainer.params))
    wanted = cfg.dataloader.params.get("batch_size")
    per_process, accumulate = shares(stage.batch_size, processes, wanted)
    epochs = cfg.trainer.params.get("max_epochs")
    if epochs and epochs > 0:
        per_epoch = max(1, scenes // (per_process * processes * accumulate))
        stage = dataclasses.replace(stage, steps=min(stage.steps, epochs * per_epoch))
    return stage, BatchPlan(per_process, accumulate, stage.steps)


def _checkpoint(
    cfg: DictConfig, stage: TrainingStage, output: Path, initial_weights: str
) -> Path | None:
    """The checkpoint that the run goes on from; None for a run from the start."""
    settings = {"stage": stage_table(stage), "model": cfg.agent.model, "seed": int(cfg.seed)}
    clips = cfg.get("clips")
    settings["split"] = f"{clips} {cfg.clips_split}" if clips else cfg.train_test_split.data_split
    settings["processes"] = world_size(dict(cfg.trainer.params))
    settings["initial_weights"] = initial_weights
    if not cfg.get("resume", True):
        (output / CHECKPOINT).unlink(missing_ok=True)
    check_record(output, settings)
    return output / CHECKPOINT if (output / CHECKPOINT).is_file() else None


def _trainer(
    cfg: DictConfig, stage: TrainingStage, plan: BatchPlan, model: ReWorldModel, output: Path
) -> pl.Trainer:
    params: Any = OmegaConf.to_container(cfg.trainer.params, resolve=True)
    params.update(
        max_steps=stage.steps,
        max_epochs=1,  # of the sample stream, which is as long as the run
        use_distributed_sampler=False,
        accumulate_grad_batches=plan.accumulate,
        gradient_clip_val=params.get("gradient_clip_val") or stage.gradient_clip,
    )
    params.setdefault("log_every_n_steps", 10)
    average = [AverageWeights(model, stage.ema_decay)] if stage.ema_decay else []
    if average and params.get("strategy") == FSDP2:
        message = f"stage {stage.name}: ema_decay={stage.ema_decay} with strategy={FSDP2}"
        raise ConfigError(message, "use strategy=ddp, or +agent.overrides.ema_decay=null")
    params["strategy"] = strategy(params.get("strategy"), world_size(params))
    return pl.Trainer(
        **params,
        default_root_dir=output,
        logger=TensorBoardLogger(output, name="tensorboard", version=""),
        callbacks=[
            ExportWeights(model, stage),
            *average,
            SpikeWatch(),
            KeepStopped(output / STOPPED),
            ModelCheckpoint(
                output / CHECKPOINT.parent,
                CHECKPOINT.stem,
                every_n_train_steps=cfg.get("checkpoint_steps") or 500,
                enable_version_counter=False,
            ),
        ],
        enable_model_summary=False,
    )
