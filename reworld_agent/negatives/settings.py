"""Settings of hard negatives: which candidates are drawn, and which of a pool are negatives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reworld_agent.core.settings import Settings, setting

_GROUP = "hard negatives"


@dataclass(frozen=True, kw_only=True)
class NegativeSettings(Settings, prefix="hard_negatives"):
    """Where hard negatives are from, what counts as unsafe, and what as near.

    Distances are of poses `normalised` by DriveLaW's ranges (the paper's second version) or `raw`,
    metres and radians as they are (its first version, BeyondDrive, the authors' release).
    """

    pool: Path | None = setting(
        "pool.parquet, or a folder of BeyondDrive's pickles; stage 3 needs one", None, group=_GROUP
    )
    delta: float = setting(
        "a candidate whose score is below is unsafe", 0.6, above=0, most=1, group=_GROUP
    )
    space: Literal["normalised", "raw"] | None = setting(
        "in which poses are near; null = the recipe's: normalised, of release raw",
        None,
        group=_GROUP,
    )

    def under(self, recipe: str) -> NegativeSettings:
        """The same with the space that a recipe takes, where none is named."""
        return self.replaced(space=self.space or ("raw" if recipe == "release" else "normalised"))


@dataclass(frozen=True, kw_only=True)
class CandidateSettings(Settings, prefix="candidates"):
    """How candidates are drawn; the noise of a scene depends on the seed and its token alone."""

    count: int = setting("candidates of a scene", 64, least=1)
    cfg: float = setting("guidance; 1 = the planner's own, 0 = as if it saw nothing", 0.5)
    noise_scale: float = setting("of the noise at the start; 0.2 = as in training", 0.4, above=0)
    steps: int = setting("Euler steps", 5, least=1)
    seed: int = setting("of the noise", 42)
