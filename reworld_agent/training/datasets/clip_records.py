"""Latents and embedded prompts of the clips of an index, computed once and kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from reworld_agent.clips.index import ClipIndex, read_index
from reworld_agent.core.text import shown
from reworld_agent.generation.model_choice import clip_of, config_of, load_model
from reworld_agent.generation.settings import IndexedSettings
from reworld_agent.training.datasets.clip_settings import LatentSettings, PromptSettings
from reworld_agent.training.datasets.latents import Forecast, LatentCache
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
    config, index = config_of(settings), _index_of(settings)
    clip = clip_of(settings, config, config.world_clip)
    cache = LatentCache(settings.output_dir, load_model(settings), clip, index)
    forecast = cache.forecast()
    if settings.forecast:
        return Encoded(forecast, None)
    logger.info("latents: %s in %s", forecast, shown(settings.output_dir))
    return Encoded(forecast, cache.fill())


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
