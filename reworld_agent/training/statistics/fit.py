"""The closed-form parts, fitted before Stage 1: codec and action normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from reworld_agent.config import load_model_config
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.model import ReWorldModel
from reworld_agent.scenes.splits import split_loader
from reworld_agent.training.datasets.scene_arrays import SceneArrays, scene_arrays
from reworld_agent.training.stages import STATISTICS, load_stage
from reworld_agent.training.statistics.prior import fit_prior
from reworld_agent.training.statistics.settings import StatisticsRun
from reworld_agent.video.codecs import FittedCodec
from reworld_agent.video.codecs.quality import psnr
from reworld_agent.video.encoding import to_pixels
from reworld_agent.video.views import apart

SCENES = 1000


@one_writer
def run_statistics(settings: StatisticsRun) -> FittedStatistics:
    """Fit on the scenes of a split and write `<output_dir>/weights`."""
    pl.seed_everything(settings.seed, verbose=False)
    model = ReWorldModel(load_model_config(settings.model, settings.recipe))
    future_images = load_stage("1", settings.recipe, settings.model).needs_future_images
    loader = split_loader(settings.train_test_split, model.config.cameras)
    arrays = scene_arrays(loader, model.config, future_images, settings.cache_path)
    lines = fit_statistics(model, arrays, settings.seed)
    folder = settings.output_dir / "weights"
    model.save_pretrained(folder, ["Closed-form parts only; both transformers are untrained."])
    return FittedStatistics(folder, lines)


@dataclass(frozen=True)
class FittedStatistics:
    """The weights that were written, and what came of the fit, in lines."""

    weights: Path
    lines: list[str]


def fit_statistics(model: ReWorldModel, arrays: SceneArrays, seed: int) -> list[str]:
    """Fit codec and normalisation in place, where they are to be; what came of it, in lines."""
    lines = []
    if isinstance(model.codec, FittedCodec):
        some = SCENES // model.config.clip.views
        chosen = np.random.default_rng(seed).permutation(len(arrays))[:some]
        singles, clips = _pixels(model, arrays, np.sort(chosen))
        explained = model.codec.fit(singles, clips, seed)
        alone, inside = psnr(model.codec, singles), psnr(model.codec, clips)
        text = f"{explained:.1%} of the variance; PSNR {alone:.2f} dB alone, {inside:.2f} dB"
        lines.append(f"codec: {text} in a clip")
        fit_prior(model, clips)
    if model.config.planner.normalisation == "waypoint":
        model.normaliser.fit(torch.from_numpy(arrays.trajectory))
        lines.append(f"actions: {len(arrays)} trajectories")
    model.history = [STATISTICS]
    return lines


def _pixels(model: ReWorldModel, arrays: SceneArrays, scenes: np.ndarray) -> tuple[Tensor, Tensor]:
    """Current frames [B, 3, 1, H, W], and clips [B, 3, 1 + k r, H, W] of frame and future.

    Each view of several cameras is a sample of its own.
    """
    present = model.config.clip.history_frames - 1
    index = arrays.frame_index[scenes, present:]
    frames = apart(torch.from_numpy(arrays.frames[index]), model.config.clip.views)
    pixels = to_pixels(frames)
    return pixels[:, :, :1], pixels
