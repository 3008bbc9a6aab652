"""What the benchmark of the data takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.config import CONFIG_NAMES
from reworld_agent.core.settings import Settings, setting

PARTS = ("index", "pictures", "latents", "shards")


@dataclass(frozen=True, kw_only=True)
class DataBenchmarkSettings(Settings):
    """Made-up clips, and what is done with them."""

    parts: tuple[str, ...] = setting(
        "index: what one of so many clips takes on disk and in memory; pictures: JPEG of 1920 x "
        "1080 to pixels; latents: pixels to latents, by a codec of random weights; shards: latents "
        "to batches, from shards and from one file a clip",
        PARTS,
        choices=PARTS,
    )
    model: str = setting(
        "whose clips and codec: tiny, small, paper or a FILE.yaml",
        "tiny",
        choices=CONFIG_NAMES,
        open=True,
    )
    clips: int = setting("of parts=index", 20_000, least=1)
    frames: int = setting("of parts=index: of a clip", 121, least=2)
    repeats: int = setting("clips that are timed, after one that is not", 3, least=1)
    gpus: int = setting("for which the cores are derived", 8, least=1, most=4096)
    steps_per_s: float = setting(
        "assumed, not measured: optimiser steps of Stage 1 a second on all of them", 1.0, above=0
    )
    output: Path = setting(
        "written: FILE.parquet and .csv",
        Path("data_benchmark"),
        writes=(".parquet", ".csv"),
        metavar="FILE",
    )
