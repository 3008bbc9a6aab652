"""What training the shipped weights anew takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.settings import Settings, setting


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
    table: tuple[Path, ...] = setting(
        "only the mean and spread of finished chains: their folders",
        (),
        exists="folder",
        metavar="[DIR,...]",
        old_names=("--table",),
    )

    def outputs(self) -> list[tuple[Path, str]]:
        """None where finished chains are only read."""
        return [] if self.table else super().outputs()
