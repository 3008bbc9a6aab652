"""What is computed once for the clips of an index, before Stage 1: latents, embedded prompts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.settings import setting
from reworld_agent.generation.settings import IndexedSettings


@dataclass(frozen=True, kw_only=True)
class LatentSettings(IndexedSettings):
    """Latents of an index; see `training.datasets.encode_latents`."""

    output_dir: Path = setting(
        "one safetensors file a clip",
        writes="folder",
        shared=True,
        metavar="DIR",
        old_names=("output",),
    )
    forecast: bool = setting("say how much disk they take, and stop", False)


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
