"""What the benchmark of self-guidance on toys takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.core.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class GuidanceSettings(Settings):
    """A distribution, a network, and the strengths of self-guidance that are compared."""

    toy: Literal["tree", "shapes"] = setting(
        "tree: points of a branching mixture in the plane; shapes: 8 x 8 pictures", "tree"
    )
    seeds: int = setting("networks, each trained from scratch", 3, least=2)
    gammas: tuple[float, ...] = setting(
        "strengths of self-guidance; 1 = off, and is what the others are compared with",
        (1.0, 1.2, 1.4, 1.7, 2.0, 2.5),
        above=0,
    )
    weight: float = setting("λ of L_Mid", 0.5, above=0)
    width: int = setting("of the network", 64, least=8)
    blocks: int = setting("of the network; the mid head follows the first third", 6, least=3)
    training_steps: int = setting("optimiser steps", 3000, least=1)
    samples: int = setting("drawn at each strength", 8000, least=200)
    steps: int = setting("Euler steps of the sampler", 30, least=1)
    output: Path = setting(
        "written: FILE.parquet and .csv, a row a seed and strength",
        Path("guidance"),
        writes=(".parquet", ".csv"),
        metavar="FILE",
    )
