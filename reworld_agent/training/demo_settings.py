"""What training the shipped weights anew takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.config import load_model_config
from reworld_agent.core.settings import Settings, setting
from reworld_agent.scenes.roots import require_split


@dataclass(frozen=True, kw_only=True)
class TrainDemoSettings(Settings):
    """The whole chain of stages on the embedded split; see `training.train_demo`."""

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
        "configuration: tiny, or a FILE.yaml, whose `stages` count", "tiny", metavar="NAME|FILE"
    )
    data_split: str = setting("folder of logs that it is trained on", "town_train")
    test_split: str = setting("folder of logs that it is scored on", "town_test")
    table: tuple[Path, ...] = setting(
        "only the mean and spread of finished chains: their folders",
        (),
        exists="folder",
        metavar="[DIR,...]",
        old_names=("--table",),
    )

    def check(self) -> None:
        """UsageError for a model or a split that is not there."""
        load_model_config(self.model)
        for split in (self.data_split, self.test_split):
            require_split(split)

    def outputs(self) -> list[tuple[Path, str]]:
        """None where finished chains are only read."""
        return [] if self.table else super().outputs()
