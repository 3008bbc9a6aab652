"""One job of mining: a batch of scenes from its images to scored candidates, in any process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import DataError
from reworld_agent.frame_store import open_frames
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import load_checkpoint
from reworld_agent.negatives.generator import generate
from reworld_agent.negatives.scored import Candidates, ScoredBatch, score_batch
from reworld_agent.negatives.settings import CandidateSettings
from reworld_agent.pdm.cache_io.folder import SceneCaches


@dataclass(frozen=True)
class Weights:
    """Which model a process loads, once: see `load_checkpoint`."""

    checkpoint: str | None
    config: ModelConfig
    device: str = "cpu"
    dtype: str = "float32"  # or bfloat16


@dataclass(frozen=True)
class BatchJob:
    """What the candidates of a batch depend on, small enough to be sent to another process.

    Attributes:
        number: of the batch.
        weights: of the planner.
        settings: how candidates are drawn.
        caches: scene caches of the split.
        frames: file of all frames, see `frame_store`.
        frame_index: history frames of each scene in it, [B, T].
        ego: [B, 8] float32.
        tokens: B scenes.
    """

    number: int
    weights: Weights
    settings: CandidateSettings
    caches: SceneCaches
    frames: Path
    frame_index: NDArray[np.int32]
    ego: NDArray[np.float32]
    tokens: tuple[str, ...]


@lru_cache(maxsize=1)
def load_model(weights: Weights) -> ReWorldModel:
    """The model of this process, on its device."""
    model = load_checkpoint(weights.checkpoint, weights.config)
    return model.to(weights.device, getattr(torch, weights.dtype)).eval()


_open_frames = lru_cache(maxsize=1)(open_frames)


def draw_candidates(job: BatchJob) -> Candidates:
    """Candidates of a batch, the same bit for bit in every process of a machine.

    Raises:
        DataError: they are not finite.
    """
    images = torch.from_numpy(_open_frames(job.frames)[job.frame_index])
    features = {"images": images, "ego": torch.from_numpy(job.ego)}
    with _one_thread():
        model = load_model(job.weights)
        plans = generate(model, features, job.tokens, job.settings)
    if not torch.isfinite(plans).all():
        message = f"candidates of {', '.join(job.tokens[:4])} are not finite"
        raise DataError(message, "use other weights: agent.checkpoint_path=")
    poses = plans.flatten(2).double().cpu().numpy()
    interval_s = model.config.planner.interval
    return Candidates(job.number, job.caches, job.tokens, poses, interval_s)


def mine_batch(job: BatchJob) -> ScoredBatch:
    """Draw the candidates of a batch and score them."""
    return score_batch(draw_candidates(job))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order, whoever asks; and several threads only wait for each other here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
