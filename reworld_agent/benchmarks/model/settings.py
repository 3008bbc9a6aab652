"""What the benchmark of the model takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.config import CONFIG_NAMES, RECIPES
from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.sizes import read_size
from reworld_agent.core.vocabulary import DEVICES
from reworld_agent.training.fit_settings import FitSettings

PARTS = ("encode", "forward", "plan", "stages")
TABLES = ("memory", "measures", "rss")  # each a table of its own columns


@dataclass(frozen=True, kw_only=True)
class ModelBenchmarkSettings(Settings):
    """A model of random weights, and what of it is timed."""

    model: str | None = setting(
        "configuration, or a FILE.yaml; null = tiny, of memory and measures paper",
        None,
        choices=CONFIG_NAMES,
        open=True,
    )
    recipe: str | None = setting(
        "paper, or release: the authors' own code; null = paper, of memory both",
        None,
        choices=RECIPES,
    )
    parts: tuple[str, ...] = setting(
        "encode: the codec; forward: one Video DiT forward and the planner's steps; plan: these "
        "steps with keys and values once and at every step; stages: an optimiser step of every "
        "training stage; and, each alone: memory: what every stage keeps on each of `gpus`; "
        "measures: a step of two wide blocks with and without each way to save memory; rss: the "
        "accounting against the memory of a real process",
        PARTS,
        choices=(*PARTS, *TABLES),
    )
    device: str = setting("where the model is", "cpu", choices=DEVICES)
    dtype: Literal["bfloat16", "float32"] | None = setting(
        "of the model; null = bfloat16 where the device has instructions for it, else float32", None
    )
    size: tuple[int, int] | None = setting(
        "of the images (of the configuration)", None, read=read_size, metavar="HxW"
    )
    batch_size: int = setting("scenes", 1, least=1, old_names=("batch",))
    repeats: int = setting("timed runs", 5, least=1)
    warm_up: bool = setting("one run before them that is not timed", True)
    gradient_checkpointing: str = setting(
        "of parts=stages: none, all or N: every N-th block is computed twice", "all"
    )
    gpus: int = setting("of parts=memory: devices that share a batch", 8, least=1, most=4096)
    memory_gb: float = setting("of parts=memory: of each, in 1e9 bytes", 80.0, above=0)
    output: Path = setting(
        "written: FILE.parquet and .csv",
        Path("model_benchmark"),
        writes=(".parquet", ".csv"),
        metavar="FILE",
    )

    def check(self) -> None:
        """Raise UsageError for a table together with other parts."""
        FitSettings(gradient_checkpointing=self.gradient_checkpointing)
        table = next((part for part in self.parts if part in TABLES), None)
        if table is not None and len(self.parts) > 1:
            message = f"parts={','.join(self.parts)}: {table} has columns of its own"
            raise UsageError(message, f"ask for it alone: parts={table}")

    @property
    def config_name(self) -> str:
        """Of the model."""
        wide = self.parts[0] in ("memory", "measures")
        return self.model or ("paper" if wide else "tiny")
