"""What a stage learns from and is validated on, from a run's config: scenes or clips."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import hydra
import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from reworld_agent.clips.index import read_index
from reworld_agent.config import ClipConfig, load_model_config
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.targets import NegativeTargets
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.datasets.held_out import (
    ValidationSettings,
    held_out_logs,
    held_out_scenes,
)
from reworld_agent.training.datasets.loading import Samples
from reworld_agent.training.datasets.prompted import PromptedSamples, scene_sentences
from reworld_agent.training.datasets.scene_arrays import SceneArrays, SceneDataset, scene_arrays
from reworld_agent.training.datasets.stage_clips import ClipChoice, stage_samples
from reworld_agent.training.stages import TrainingStage
from reworld_agent.training.words import clips_root, latents_folders, prompt_book
from reworld_agent.video.text import PromptBook

logger = logging.getLogger(__name__)


def run_samples(
    cfg: DictConfig, stage: TrainingStage, model: ReWorldModel
) -> tuple[Samples, Samples | None]:
    """What a run learns from, and what it is validated on (None = nothing).

    Args:
        cfg: of `run_training.py`.
        stage: the stage.
        model: prepared for the stage.

    Raises:
        ReWorldError: data, latents or sentences are missing, or do not fit the stage.
    """
    book = prompt_book(cfg, model.config)
    if cfg.get("clips"):
        return _clips(cfg, stage, model, book)
    return _scenes(cfg, stage, model.config.clip, book)


def _clips(
    cfg: DictConfig, stage: TrainingStage, model: ReWorldModel, book: PromptBook | None
) -> tuple[Samples, Samples | None]:
    settings = ValidationSettings.of(cfg)
    table, start = Path(cfg.clips), cfg.agent.init_from

    def samples(split: str) -> Samples:
        choice = ClipChoice(table, split, latents_folders(cfg), book, start, clips_root(cfg))
        return stage_samples(choice, stage, model)

    # latents and sentences may have been made of the training clips alone
    whole = not cfg.get("latents") and book is None
    split = settings.clips_split(read_index(table).rows["split"], table, automatic=whole)
    learned = samples(str(cfg.clips_split))
    return learned, None if split is None else samples(split)


def _scenes(
    cfg: DictConfig, stage: TrainingStage, clip: ClipConfig, book: PromptBook | None
) -> tuple[Samples, Samples | None]:
    settings, loader = ValidationSettings.of(cfg), _loader(cfg)
    arrays = load_arrays(cfg, stage, loader)
    others = held_out_scenes(settings, str(cfg.train_test_split.data_split), loader.scene_filter)
    held_out = None if others is None else load_arrays(cfg, stage, others)
    if settings.hold_out:
        names = held_out_logs(arrays.logs, settings.hold_out)
        chosen = np.array([log in names for log in arrays.logs])
        held_out, others = (arrays.where(chosen), loader) if settings.every else (None, None)
        arrays = arrays.where(~chosen)

    def told(scenes: SceneDataset, loader: SceneLoader) -> Samples:
        if book is None:
            return scenes
        sentences = scene_sentences(loader, clip)
        return PromptedSamples(scenes, [sentences[token] for token in scenes.arrays.tokens], book)

    negatives = load_negatives(cfg, stage, arrays)
    learned = told(SceneDataset(arrays, clip.history_frames, negatives), loader)
    if held_out is None or others is None:
        return learned, None
    return learned, told(SceneDataset(held_out, clip.history_frames), others)


def _loader(cfg: DictConfig) -> SceneLoader:
    split = cfg.train_test_split
    return resolve_split(split.data_split).loader(hydra.utils.instantiate(split.scene_filter))


def load_arrays(
    cfg: DictConfig, stage: TrainingStage, loader: SceneLoader | None = None
) -> SceneArrays:
    """The training arrays of a loader's scenes; without a loader, of the config's split."""
    cache = Path(cfg.cache_path) if cfg.get("cache_path") else None
    config = load_model_config(cfg.agent.model, cfg.agent.recipe)
    return scene_arrays(loader or _loader(cfg), config, stage.needs_future_images, cache)


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
