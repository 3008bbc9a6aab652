"""What the benchmark of the model takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.config import CONFIG_NAMES, RECIPES
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.sizes import read_size
from reworld_agent.core.vocabulary import DEVICES

PARTS = ("encode", "forward", "plan", "stages")


@dataclass(frozen=True, kw_only=True)
class ModelBenchmarkSettings(Settings):
    """A model of random weights, and what of it is timed."""

    model: str = setting("configuration, or a FILE.yaml", "tiny", choices=CONFIG_NAMES, open=True)
    recipe: str = setting("paper, or release: the authors' own code", "paper", choices=RECIPES)
    parts: tuple[str, ...] = setting(
        "encode: the codec; forward: one Video DiT forward and the planner's steps; plan: these "
        "steps with keys and values once and at every step; stages: an optimiser step of every "
        "training stage",
        PARTS,
        choices=PARTS,
    )
    device: str = setting("where the model is", "cpu", choices=DEVICES)
    dtype: Literal["bfloat16", "float32"] = setting("of the model", "bfloat16")
    size: tuple[int, int] | None = setting(
        "of the images (of the configuration)", None, read=read_size, metavar="HxW"
    )
    batch_size: int = setting("scenes", 1, least=1, old_names=("batch",))
    repeats: int = setting("timed runs", 5, least=1)
    warm_up: bool = setting("one run before them that is not timed", True)
    output: Path = setting(
        "written: FILE.parquet and .csv",
        Path("model_benchmark"),
        writes=(".parquet", ".csv"),
        metavar="FILE",
    )
