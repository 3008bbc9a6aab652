"""What judging imagined plans takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.vocabulary import DEVICES
from reworld_agent.scenes.roots import beside, require_split

_DATA, _HOW = "scenes", "how plans are imagined"


@dataclass(frozen=True, kw_only=True)
class ControlSettings(Settings):
    """A model with latent actions, and the scenes in which it imagines two plans.

    Raises:
        UsageError: a split is not there, or nothing is held out.
    """

    checkpoint_path: Path = setting(
        "weights of a model with actions, after stage 1", exists="folder", metavar="DIR"
    )
    output_dir: Path = setting(
        "OUTPUT_DIR/control.parquet and .csv of all figures, and pictures/ of some scenes",
        writes="folder",
        makes=("pictures",),
        metavar="DIR",
    )
    data_split: str = setting(
        "folder of logs that the reader of motion learns from", "town_train", group=_DATA
    )
    held_out: str | None = setting(
        "folder of logs in whose scenes plans are imagined (town_val, town6_val: beside "
        "data_split=)",
        None,
        group=_DATA,
    )
    scenes: int | None = setting(
        "scenes that the reader learns from, at most (all)", None, least=2, group=_DATA
    )
    judged: int = setting("scenes that are imagined in, at most", 100, least=2, group=_DATA)
    cache_path: Path | None = setting(
        "decoded frames; null = ~/.cache/reworld/training", None, group=_DATA
    )
    by: Literal["video", "dynamics"] = setting(
        "video: the Video DiT; dynamics: the forward dynamics of the latent actions alone",
        "video",
        group=_HOW,
    )
    steps: int | None = setting("Euler steps (of the weights)", None, least=1, group=_HOW)
    gamma: float = setting("self-guidance, 1 = off", 1.0, above=0, group=_HOW)
    chunked: bool = setting("chunk after chunk, see `reworld video generate`", False, group=_HOW)
    batch_size: int = setting("scenes of one forward", 8, least=1, group=_HOW)
    seed: int = setting("of noise and of the reader", 0, least=0, most=2**31 - 1, group=_HOW)
    reader_steps: int = setting("optimiser steps of the reader", 600, least=1, group=_HOW)
    pictures: int = setting("scenes that are drawn", 4, least=0, group=_HOW)
    device: str | None = setting(
        "where it runs (cuda where there is one)", None, choices=DEVICES, group=_HOW
    )

    @property
    def validated(self) -> str:
        """Split that is held out."""
        return beside(self.held_out, self.data_split, "val", "held_out")

    def check(self) -> None:
        """See the class."""
        if self.data_split == self.validated:
            message = f"held_out={self.validated}: the reader learns from it, nothing is held out"
            raise UsageError(message, "name another split")
        for split in (self.data_split, self.validated):
            require_split(split)
