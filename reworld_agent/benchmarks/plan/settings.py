"""What the benchmark of a plan's latency takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.config import CONFIG_NAMES, RECIPES, load_model_config
from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.sizes import read_size
from reworld_agent.core.vocabulary import DEVICES


@dataclass(frozen=True, kw_only=True)
class PlanBenchmarkSettings(Settings):
    """A model of random weights, and the ways to plan that are timed."""

    model: str = setting("configuration, or a FILE.yaml", "tiny", choices=CONFIG_NAMES, open=True)
    recipe: str = setting("paper, or release: the authors' own code", "paper", choices=RECIPES)
    steps: tuple[int, ...] = setting("Euler steps of a plan", (1, 2, 5, 10), least=1)
    blocks: tuple[int, ...] = setting(
        "video blocks that are run and read (planner.read_blocks); [] = half of them, and all",
        (),
        least=1,
    )
    batch_sizes: tuple[int, ...] = setting("scenes planned at once", (1, 16), least=1)
    dtypes: tuple[Literal["bfloat16", "float32"], ...] = setting(
        "of the model", ("bfloat16", "float32")
    )
    device: str = setting("where the model is", "cpu", choices=DEVICES)
    size: tuple[int, int] | None = setting(
        "of the images (of the configuration)", None, read=read_size, metavar="HxW"
    )
    repeats: int = setting("timed plans of each kind", 20, least=2)
    output: Path = setting(
        "written: FILE.parquet and .csv",
        Path("plan_benchmark"),
        writes=(".parquet", ".csv"),
        metavar="FILE",
    )

    def check(self) -> None:
        """Blocks beyond the model's depth are refused."""
        depth = load_model_config(self.model, self.recipe).video.num_layers
        for block in self.blocks:
            if block > depth:
                message = f"blocks={block} of a model of {depth}"
                raise UsageError(message, f"use 1 to {depth}")

    def exits(self, depth: int) -> tuple[int, ...]:
        """The blocks of each row, for a model of this depth."""
        return self.blocks or tuple(dict.fromkeys((max(depth // 2, 1), depth)))
