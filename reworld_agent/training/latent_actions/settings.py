"""What training latent actions takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from reworld_agent.config import ActionsConfig
from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.vocabulary import DEVICES
from reworld_agent.scenes.roots import beside, require_split

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
        "OUTPUT_DIR/actions is written, OUTPUT_DIR/actions.parquet and .csv of all figures, and of "
        "a model with actions OUTPUT_DIR/weights, for stage 1",
        writes="folder",
        makes=("actions", "weights"),
        metavar="DIR",
    )
    data_split: str = setting(
        "folder of logs whose scenes are learned from", "town_train", group=_DATA
    )
    held_out: str | None = setting(
        "folder of logs that is judged on (town_val, town6_val: beside data_split=)",
        None,
        group=_DATA,
    )
    scenes: int | None = setting("scenes to learn from, at most (all)", None, least=2, group=_DATA)
    judged: int = setting("scenes that are judged on, at most", 300, least=2, group=_DATA)
    cache_path: Path | None = setting(
        "decoded frames; null = ~/.cache/reworld/training", None, group=_DATA
    )
    actions: int | None = setting(
        "numbers of a latent action (of the model, else 4)", None, least=1, most=256, group=_MODEL
    )
    hidden: int | None = setting(
        "width of both MLPs (of the model, else 256)", None, least=1, most=8192, group=_MODEL
    )
    layers: int | None = setting(
        "linear layers of each (of the model, else 4)", None, least=2, most=32, group=_MODEL
    )
    transport: Literal["softmax", "free"] | None = setting(
        "rows of the transport over tokens: weights that sum to 1, or any numbers (of the model, "
        "else softmax)",
        None,
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

    def sizes(self, own: ActionsConfig | None) -> ActionsConfig:
        """Of both dynamics: those of a model that has them, else these.

        Raises:
            UsageError: others are asked for than the model has.
        """
        asked: dict[str, Any] = {
            "numbers": self.actions,
            "hidden": self.hidden,
            "layers": self.layers,
            "transport": self.transport,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        found = replace(own or ActionsConfig(), **given)
        if own is not None and found != own:
            name = next(name for name, value in given.items() if value != getattr(own, name))
            message = f"the model has actions.{name} = {getattr(own, name)}, not {given[name]}"
            raise UsageError(message, "leave it out, or train another model")
        return found

    @property
    def validated(self) -> str:
        """Split that is held out."""
        return beside(self.held_out, self.data_split, "val", "held_out")

    def check(self) -> None:
        """See the class."""
        if self.data_split == self.validated:
            message = f"held_out={self.validated}: it is learned from, nothing is held out"
            raise UsageError(message, "name another split")
        for split in (self.data_split, self.validated):
            require_split(split)
