"""What the sweep of the factor of L_RDE takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.config import CONFIG_NAMES
from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting

FACTORS = (0.02, 0.03, 0.04, 0.05, 0.1)


@dataclass(frozen=True, kw_only=True)
class RepulsionSettings(Settings):
    """Stage 3 at several factors from the same weights and pool."""

    init_from: Path = setting("weights that have passed stage 2", exists="folder", metavar="DIR")
    pool: Path = setting(
        "of `reworld mine`, or a folder of BeyondDrive's pickles", exists="any", metavar="FILE"
    )
    factors: tuple[float, ...] = setting("of L_RDE", FACTORS, least=0)
    seeds: int = setting("runs of each factor", 1, least=1)
    steps: int | None = setting("optimiser steps, for a trial (the stage's own)", None, least=1)
    model: str = setting("configuration", "tiny", choices=CONFIG_NAMES)
    frame_interval: int | None = setting(
        "train on every N-th window: the N that the pool was mined with (the split's)",
        None,
        least=1,
    )
    output_dir: Path = setting(
        "trainings and scores; the table is repulsion.parquet and .csv there, the figure "
        "repulsion.png",
        Path("outputs/repulsion"),
        writes="folder",
        metavar="DIR",
    )

    def check(self) -> None:
        """Each factor has a folder of its own."""
        names = [f"{factor:g}" for factor in self.factors]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            message = f"factors= names {twice[0]} twice"
            raise UsageError(message, "name each once; seeds=N repeats all of them")
