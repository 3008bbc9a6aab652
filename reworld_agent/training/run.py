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
from torch.utils.data import DataLoader

from reworld_agent.config import load_model_config
from reworld_agent.errors import ConfigError
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.pool import hard_negatives, read_pool
from reworld_agent.negatives.selection import SelectionSettings
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.callbacks import ExportWeights
from reworld_agent.training.data import SceneArrays, SceneDataset, scene_arrays
from reworld_agent.training.module import StageModule
from reworld_agent.training.prepare import prepare_stage
from reworld_agent.training.stages import TrainingStage, load_stage

logger = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Train one stage; 0 when its weights were written to `<output_dir>/weights`.

    Args:
        cfg: keys `agent` (model, recipe, stage, init_from, overrides), `train_test_split`
            (data_split, scene_filter), `dataloader.params`, `trainer.params`, `output_dir`,
            `cache_path`, `seed`.

    Raises:
        ReWorldError: whatever the user can mend, before the first step where possible.
    """
    _quiet()
    stage = _stage(cfg)
    config = load_model_config(cfg.agent.model)
    pl.seed_everything(int(cfg.seed), verbose=False)
    model = ReWorldModel(config)
    prepare_stage(model, stage, cfg.agent.init_from)
    arrays = load_arrays(cfg, stage)
    dataset = SceneDataset(arrays, config.clip.history_frames, load_negatives(cfg, stage, arrays))
    output = Path(cfg.output_dir)
    trainer = _trainer(cfg, stage, model, output)
    logger.info("stage %s: %d scenes, %d steps", stage.name, len(dataset), stage.steps)
    trainer.fit(StageModule(model, stage), _loader(cfg, stage, dataset))
    print(f"stage {stage.name} is done: {output / 'weights'}")
    return 0


def _quiet() -> None:
    """Silence Lightning's advertisements, and its warnings about what is meant so here."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in ("Found .* in eval mode", "The number of training batches", ".*LeafSpec"):
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


def load_arrays(cfg: DictConfig, stage: TrainingStage) -> SceneArrays:
    """The training arrays of the config's split."""
    split = cfg.train_test_split
    roots = resolve_split(split.data_split)
    loader = roots.loader(hydra.utils.instantiate(split.scene_filter))
    cache = Path(cfg.cache_path) if cfg.get("cache_path") else None
    config = load_model_config(cfg.agent.model)
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
    file = settings.pop("pool")
    selection = SelectionSettings(**settings)
    if file is None:
        logger.warning("no pool of hard negatives: L_RDE is 0 (hard_negatives.pool=FILE)")
        return {}
    pool = read_pool(Path(file), str(cfg.train_test_split.data_split))
    experts = dict(zip(arrays.tokens, arrays.trajectory, strict=True))
    found = hard_negatives(pool, experts, selection)
    level = logging.INFO if found else logging.WARNING
    absent = sum(token not in pool.poses for token in experts)
    counts = (len(found), len(experts), absent)
    logger.log(level, "%d of %d scenes have a hard negative, %d are not in the pool", *counts)
    return found


def _batch(cfg: DictConfig, stage: TrainingStage) -> tuple[int, int]:
    """Scenes per process and step, and steps accumulated, for the stage's global batch."""
    devices = cfg.trainer.params.get("devices", 1)
    processes = devices if isinstance(devices, int) and devices > 0 else 1
    per_process = cfg.dataloader.params.get("batch_size") or stage.batch_size // processes
    return per_process, max(1, stage.batch_size // (per_process * processes))


def _loader(
    cfg: DictConfig, stage: TrainingStage, dataset: SceneDataset
) -> DataLoader[tuple[Any, ...]]:
    batch, _ = _batch(cfg, stage)
    if len(dataset) < batch:
        message = f"the split has {len(dataset)} scenes, a batch has {batch}"
        raise ConfigError(message, f"use dataloader.params.batch_size={len(dataset)} or fewer")
    workers = int(cfg.dataloader.params.get("num_workers") or 0)
    return DataLoader(dataset, batch, shuffle=True, drop_last=True, num_workers=workers)


def _trainer(
    cfg: DictConfig, stage: TrainingStage, model: ReWorldModel, output: Path
) -> pl.Trainer:
    params: Any = OmegaConf.to_container(cfg.trainer.params, resolve=True)
    epochs = params.pop("max_epochs", None)
    params.update(
        max_steps=stage.steps,
        max_epochs=-1 if epochs is None else epochs,
        accumulate_grad_batches=_batch(cfg, stage)[1],
        gradient_clip_val=params.get("gradient_clip_val") or stage.gradient_clip,
    )
    return pl.Trainer(
        **params,
        default_root_dir=output,
        logger=TensorBoardLogger(output, name="tensorboard", version=""),
        callbacks=[
            ExportWeights(model, stage),
            ModelCheckpoint(output / "checkpoints", save_last=True, save_top_k=0),
        ],
        enable_model_summary=False,
        log_every_n_steps=10,
    )
