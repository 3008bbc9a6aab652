"""Latents and embedded prompts of the clips of an index, computed once and kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch

from reworld_agent.clips.index import ClipIndex, read_index
from reworld_agent.core.text import shown
from reworld_agent.core.workers import SEQUENTIAL, run_tasks
from reworld_agent.generation.model_choice import clip_of, config_of, load_model
from reworld_agent.generation.settings import IndexedSettings
from reworld_agent.training.datasets.clip_settings import LatentSettings, PromptSettings
from reworld_agent.training.datasets.latents import Forecast, LatentCache, Unit
from reworld_agent.training.datasets.prompt_samples import clip_sentences
from reworld_agent.video.text import PromptBook, T5Encoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Encoded:
    """Latents of an index.

    Attributes:
        forecast: clips and bytes.
        done: clips that were encoded; None where only the forecast was asked for.
    """

    forecast: Forecast
    done: int | None


def encode_latents(settings: LatentSettings) -> Encoded:
    """Encode every clip of an index; may be stopped, gone on with, and run by several processes.

    Raises:
        UsageError: the codec cannot cut such clips, or the device is not there.
        DataError, WeightsError: the index, its clips or the weights are not there, or damaged.
        ConfigError: the clips are of another rate, or the folder holds other latents.
    """
    cache = _cache_of(settings)
    forecast = cache.forecast()
    if settings.forecast:
        return Encoded(forecast, None)
    logger.info("latents: %s in %s", forecast, shown(settings.output_dir))
    if settings.worker == SEQUENTIAL:
        return Encoded(forecast, cache.fill())

    def elsewhere(units: Sequence[Unit]) -> Iterator[tuple[Unit, int | None]]:
        tasks = [_Task(settings, unit) for unit in units]
        return run_tasks(_encode, tasks, settings.worker, settings.workers)

    return Encoded(forecast, cache.fill(run=elsewhere))


def _cache_of(settings: LatentSettings, check: bool = True) -> LatentCache:
    index, config = _index_of(settings), config_of(settings)
    chosen = {"posterior": settings.posterior, "tiled": settings.tiled}
    changes: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    config = replace(config, codec=replace(config.codec, **changes))
    clip, model = clip_of(settings, config, config.world_clip), load_model(settings, config)
    number = settings.clips_per_shard
    return LatentCache(settings.output_dir, model, clip, index, None, check, number)


@dataclass(frozen=True)
class _Task:
    """Clips for a worker process, and what it needs to encode them."""

    settings: LatentSettings
    unit: Unit


@lru_cache(maxsize=1)
def _opened(settings: LatentSettings) -> LatentCache:
    """The cache in a worker process, with its model; files were looked at by the parent."""
    torch.set_num_threads(1)
    return _cache_of(settings, check=False)


def _encode(task: _Task) -> tuple[Unit, int | None]:
    return task.unit, _opened(task.settings).encode(task.unit)


def embed_prompts(settings: PromptSettings) -> tuple[int, int]:
    """Embed the sentence of every clip of an index; how many sentences, of how many clips.

    Raises:
        UsageError: the codec cannot cut such clips.
        DataError, WeightsError: the index, its poses, the weights or T5 are not there.
    """
    config, index = config_of(settings), _index_of(settings)
    sentences = clip_sentences(index, clip_of(settings, config, config.world_clip))
    PromptBook(settings.output_dir, T5Encoder(settings.t5)).prepare(sentences)
    return len(set(sentences)), len(sentences)


def _index_of(settings: IndexedSettings) -> ClipIndex:
    index = read_index(settings.index, settings.root)
    return index if settings.split is None else index.split(settings.split)
