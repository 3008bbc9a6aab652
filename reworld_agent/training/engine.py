"""What every training run has in common: its batches, its checkpoint, Lightning's Trainer."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, ListConfig, OmegaConf

from reworld_agent.core.errors import ConfigError
from reworld_agent.training.callbacks import KeepStopped, SpikeWatch, ValidationTable
from reworld_agent.training.datasets.held_out import ValidationSettings
from reworld_agent.training.datasets.loading import BatchPlan
from reworld_agent.training.parallel import shares, strategy, world_size
from reworld_agent.training.resume import CHECKPOINT, STOPPED, Standing, standing
from reworld_agent.training.stages import TrainingStage, stage_table

VALIDATION = "validation.csv"


def quiet() -> None:
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


def with_steps(cfg: DictConfig, stage: TrainingStage) -> TrainingStage:
    """The stage, its steps as the trainer's `max_steps` has them."""
    steps = cfg.trainer.params.get("max_steps", -1)
    return dataclasses.replace(stage, steps=steps) if steps and steps > 0 else stage


def batches(cfg: DictConfig, stage: TrainingStage, samples: int) -> tuple[TrainingStage, BatchPlan]:
    """Batches that make up the stage's global batch; its steps, cut to `max_epochs`."""
    processes = world_size(dict(cfg.trainer.params))
    wanted = cfg.dataloader.params.get("batch_size")
    per_process, accumulate = shares(stage.batch_size, processes, wanted)
    epochs = cfg.trainer.params.get("max_epochs")
    if epochs and epochs > 0:
        per_epoch = max(1, samples // (per_process * processes * accumulate))
        stage = dataclasses.replace(stage, steps=min(stage.steps, epochs * per_epoch))
    return stage, BatchPlan(per_process, accumulate, stage.steps)


def start(cfg: DictConfig, stage: TrainingStage, output: Path, more: dict[str, Any]) -> Standing:
    """Where the run stands: at its start, at a checkpoint, or at its end.

    Args:
        cfg, stage: of the run.
        output: its folder.
        more: what else must be the same in both halves of a run.

    Raises:
        ConfigError: a run in this folder had other settings.
    """
    settings = {"stage": stage_table(stage), "model": cfg.agent.model, "seed": int(cfg.seed)}
    clips = cfg.get("clips")
    settings["split"] = f"{clips} {cfg.clips_split}" if clips else cfg.train_test_split.data_split
    settings["processes"] = world_size(dict(cfg.trainer.params))
    if stage.weights.repulsion > 0 and cfg.hard_negatives.get("pool"):
        settings["hard_negatives"] = OmegaConf.to_container(cfg.hard_negatives, resolve=True)
    for key in ("latents", "prompts"):
        if cfg.get(key):
            value = cfg.get(key)
            settings[key] = list(value) if isinstance(value, ListConfig) else str(value)
    return standing(output, settings | more, bool(cfg.get("resume", True)))


def fit(trainer: pl.Trainer, module: pl.LightningModule, **given: Any) -> None:
    """Lightning's `fit`, in which an interruption stays one: it makes of it an exit with code 1."""
    try:
        trainer.fit(module, **given)
    except SystemExit:
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise


def lightning_trainer(
    params: Mapping[str, Any], where: str = "trainer.params", **ours: Any
) -> pl.Trainer:
    """Lightning's Trainer with a user's settings and ours; ConfigError for what it refuses."""
    try:
        return pl.Trainer(**params, **ours)
    except (TypeError, ValueError, RuntimeError, MisconfigurationException) as error:
        reason = str(error).strip().splitlines()[0]
        hint = "these words are arguments of Lightning's Trainer: change or leave out this one"
        raise ConfigError(f"{where}: {reason}", hint) from error


def check_trainer(cfg: DictConfig) -> None:
    """Raise ConfigError for settings that Lightning refuses, before any data is read."""
    lightning_trainer(_params(cfg), logger=False, enable_model_summary=False)


def _params(cfg: DictConfig) -> dict[str, Any]:
    """The block `trainer.params`, with the strategy of its name."""
    params: Any = OmegaConf.to_container(cfg.trainer.params, resolve=True)
    return {**params, "strategy": strategy(params.get("strategy"), world_size(params))}


def build_trainer(
    cfg: DictConfig,
    stage: TrainingStage,
    plan: BatchPlan,
    output: Path,
    callbacks: Sequence[Callback],
    validate: bool = False,
) -> pl.Trainer:
    """Lightning's Trainer of a run, with TensorBoard and checkpoints in its folder.

    Where it shall `validate`, it does about every `validation.every` steps, in equal parts of the
    run: the last time is its end, or a few steps before.
    """
    params = _params(cfg)
    params.update(
        max_steps=stage.steps,
        max_epochs=1,  # of the sample stream, which is as long as the run
        use_distributed_sampler=False,
        accumulate_grad_batches=plan.accumulate,
        gradient_clip_val=params.get("gradient_clip_val") or stage.gradient_clip,
    )
    params.setdefault("log_every_n_steps", 10)
    if validate:
        times = max(1, round(stage.steps / ValidationSettings.of(cfg).every))
        params["val_check_interval"] = stage.steps // times * plan.accumulate
        params["check_val_every_n_epoch"] = None  # batches are counted over the whole run
    else:
        params["limit_val_batches"] = 0
    return lightning_trainer(
        params,
        default_root_dir=output,
        logger=TensorBoardLogger(output, name="tensorboard", version=""),
        callbacks=[
            *callbacks,
            SpikeWatch(),
            KeepStopped(output / STOPPED),
            ValidationTable(output / VALIDATION),
            ModelCheckpoint(
                output / CHECKPOINT.parent,
                CHECKPOINT.stem,
                every_n_train_steps=cfg.get("checkpoint_steps") or 500,
                enable_version_counter=False,
            ),
        ],
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
