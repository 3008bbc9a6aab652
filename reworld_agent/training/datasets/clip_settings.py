"""What is computed once for the clips of an index, before Stage 1: latents, embedded prompts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.core.settings import MOST_WORKERS, setting
from reworld_agent.generation.settings import IndexedSettings


@dataclass(frozen=True, kw_only=True)
class LatentSettings(IndexedSettings):
    """Latents of an index; see `training.datasets.encode_latents`."""

    output_dir: Path = setting(
        "shards of safetensors, with a checksum a clip",
        writes="folder",
        shared=True,
        metavar="DIR",
        old_names=("output",),
    )
    posterior: Literal["mode", "sample"] | None = setting(
        "what is taken of the codec's distribution; recipe=release trains on samples (of the "
        "weights)",
        None,
    )
    tiled: bool | None = setting(
        "encode large frames in tiles, as recipe=release does (of the weights)", None
    )
    forecast: bool = setting("say how much disk they take, and stop", False)
    worker: Literal["sequential", "processes", "ray"] = setting("who encodes", "sequential")
    workers: int | None = setting(
        "processes; null = one for each core", None, least=1, cap=MOST_WORKERS
    )
    clips_per_shard: int | None = setting(
        "clips that lie in one file; null = 64, fewer where they take more than 32 MB",
        None,
        least=1,
    )


@dataclass(frozen=True, kw_only=True)
class PromptSettings(IndexedSettings):
    """Embedded sentences of an index; see `training.datasets.embed_prompts`."""

    t5: Path = setting(
        "LTX-Video's text encoder: a folder with text_encoder and tokenizer",
        exists="folder",
        metavar="DIR",
    )
    output_dir: Path = setting(
        "one safetensors file a sentence",
        writes="folder",
        shared=True,
        metavar="DIR",
        old_names=("output",),
    )
