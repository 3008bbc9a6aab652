"""What the benchmark of the stages takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.config import CONFIG_NAMES
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.vocabulary import DEVICES

SLICE = "slice"


@dataclass(frozen=True, kw_only=True)
class StagesBenchmarkSettings(Settings):
    """Steps of training stages with and without the paper's terms."""

    model: str = setting(
        "configuration of the timed steps; slice = the paper's width, 4 blocks, 48 tokens, the "
        "closed-form codec: what a machine without a GPU can time",
        "tiny",
        choices=(*CONFIG_NAMES, SLICE),
    )
    batch_size: int = setting("scenes of a step", 4, least=1)
    steps: int = setting("timed steps of each kind", 20, least=1)
    device: str = setting("where the model is", "cpu", choices=DEVICES)
    output_dir: Path | None = setting(
        "also write operations.parquet and steps.parquet there, with csv twins",
        None,
        writes="folder",
        metavar="DIR",
    )
