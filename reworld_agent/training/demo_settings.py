"""What training the shipped weights anew takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.settings import Settings, setting
from reworld_agent.scenes.roots import beside, refuse_held_out, require_split
from reworld_agent.training.stages import STAGES, load_stage


@dataclass(frozen=True, kw_only=True)
class TrainDemoSettings(Settings):
    """The whole chain of stages on a training split; see `training.train_demo`."""

    output_dir: Path = setting(
        "a folder for each command; a chain that was stopped goes on there",
        Path("outputs/train_demo"),
        writes="folder",
        metavar="DIR",
        old_names=("--output",),
    )
    seed: int = setting(
        "of statistics, stages and candidates; the default gives the shipped weights",
        42,
        least=0,
        old_names=("--seed",),
    )
    max_steps: int | None = setting(
        "optimiser steps of each stage, for a trial", None, least=1, old_names=("--max-steps",)
    )
    max_scenes: int | None = setting(
        "training scenes, for a trial", None, least=1, old_names=("--max-scenes",)
    )
    model: str = setting(
        "configuration: tiny, small, or a FILE.yaml, whose `stages` count",
        "tiny",
        metavar="NAME|FILE",
    )
    rounds: int = setting(
        "of mining and Stage 3; later ones mine the plans of the weights before them (self-play)",
        1,
        least=1,
        most=100,
    )
    data_split: str = setting("folder of logs that it is trained on", "town_train")
    frame_interval: int = setting(
        "every so many-th frame of a log begins a training scene; negatives and Stage 3 take every "
        "fourth at the least",
        1,
        least=1,
        most=100,
    )
    test_split: str | None = setting(
        "folder of logs that it is scored on (town_test, town6_test: beside data_split=)", None
    )
    held_out: str | None = setting(
        "folder of logs that a codec that learns and latent actions are judged on (town_val, "
        "town6_val: beside data_split=)",
        None,
    )
    table: tuple[Path, ...] = setting(
        "only the mean and spread of finished chains: their folders",
        (),
        exists="folder",
        metavar="[DIR,...]",
        old_names=("--table",),
    )

    @property
    def tested(self) -> str:
        """Split that it is scored on."""
        return beside(self.test_split, self.data_split, "test", "test_split")

    def check(self) -> None:
        """Refuse what a later command of the chain would.

        Raises:
            ConfigError: the model or what its file says of a stage cannot be, a split is not there,
                or it is held out and negatives would be mined on it.
        """
        for stage in STAGES:
            load_stage(stage, model=self.model)
        refuse_held_out(self.data_split)
        for split in (self.data_split, self.tested):
            require_split(split)

    def outputs(self) -> list[tuple[Path, str]]:
        """None where finished chains are only read."""
        return [] if self.table else super().outputs()
