"""What training a planner on oracle states takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.scenes.roots import beside, require_split


@dataclass(frozen=True, kw_only=True)
class OracleRun(Settings):
    """A planner that reads what a perfect eye would see, in the place of video states.

    Raises:
        UsageError: a split is not there, or it is planned on what is learned from.
    """

    states: Literal["oracle", "none"] = setting(
        "oracle: route, lead vehicle, red light and the nearest objects at t0; none: zeros, its "
        "control",
        "oracle",
    )
    model: str = setting(
        "configuration whose planner it is: tiny, small, paper or FILE.yaml", "tiny"
    )
    data_split: str = setting("folder of logs to learn from", "town6_train")
    test_split: str | None = setting(
        "folder of logs to plan on (town_test, town6_test: beside data_split=)", None
    )
    frame_interval: int = setting("frames between the starts of two training scenes", 2, least=1)
    scenes: int | None = setting("scenes of either split, at most (all)", None, least=1)
    steps: int = setting("optimiser steps", 1500, least=1)
    seed: int = setting("of weights, order, times and noise", 42, least=0, most=2**31 - 1)
    output_dir: Path = setting(
        "plans.parquet is written, for `reworld score-trajectories`",
        writes="folder",
        makes=("plans.parquet",),
        metavar="DIR",
    )

    @property
    def tested(self) -> str:
        """Split that is planned on."""
        return beside(self.test_split, self.data_split, "test", "test_split")

    def check(self) -> None:
        """See the class."""
        if self.data_split == self.tested:
            message = f"test_split={self.tested}: it is learned from"
            raise UsageError(message, "name another split")
        for split in (self.data_split, self.tested):
            require_split(split)
