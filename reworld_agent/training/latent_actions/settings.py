"""What training latent actions takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.vocabulary import DEVICES
from reworld_agent.scenes.roots import require_split

_DATA, _MODEL, _RUN, _PROBE = "pairs of latents", "both dynamics", "the run", "probes"


@dataclass(frozen=True, kw_only=True)
class ActionTrainSettings(Settings):
    """A trained codec, and the scenes whose successive latents are learned from.

    Raises:
        UsageError: a split is not there, or nothing is held out.
    """

    checkpoint_path: Path = setting(
        "weights folder of a model with a trained codec", exists="folder", metavar="DIR"
    )
    output_dir: Path = setting(
        "OUTPUT_DIR/actions is written, and OUTPUT_DIR/actions.parquet and .csv of all figures",
        writes="folder",
        makes=("actions",),
        metavar="DIR",
    )
    data_split: str = setting(
        "folder of logs whose scenes are learned from", "town_train", group=_DATA
    )
    held_out: str = setting("folder of logs that is judged on", "town_val", group=_DATA)
    scenes: int | None = setting("scenes to learn from, at most (all)", None, least=2, group=_DATA)
    judged: int = setting("scenes that are judged on, at most", 300, least=2, group=_DATA)
    cache_path: Path | None = setting(
        "decoded frames; null = ~/.cache/reworld/training", None, group=_DATA
    )
    actions: int = setting("numbers of a latent action", 4, least=1, most=256, group=_MODEL)
    hidden: int = setting("width of both MLPs", 256, least=1, most=8192, group=_MODEL)
    layers: int = setting("linear layers of each", 4, least=2, most=32, group=_MODEL)
    transport: Literal["softmax", "free"] = setting(
        "rows of the transport over tokens: weights that sum to 1, or any numbers",
        "softmax",
        group=_MODEL,
    )
    steps: int = setting("optimiser steps", 600, least=1, group=_RUN)
    batch_size: int = setting("pairs of a step", 128, least=2, group=_RUN)
    learning_rate: float = setting("of AdamW, in one cycle", 1e-3, above=0, group=_RUN)
    seeds: int = setting(
        "runs, each of its own seed; the first is written", 3, least=1, most=100, group=_RUN
    )
    seed: int = setting("of the first run", 0, least=0, most=2**31 - 1, group=_RUN)
    device: str | None = setting(
        "where it is trained (cuda where there is one)", None, choices=DEVICES, group=_RUN
    )
    probe_steps: int = setting("optimiser steps of each probe", 400, least=1, group=_PROBE)
    probe_hidden: int = setting("width of a probe", 128, least=1, most=8192, group=_PROBE)

    def check(self) -> None:
        """See the class."""
        if self.data_split == self.held_out:
            message = f"held_out={self.held_out}: it is learned from, nothing is held out"
            raise UsageError(message, "name another split")
        for split in (self.data_split, self.held_out):
            require_split(split)
