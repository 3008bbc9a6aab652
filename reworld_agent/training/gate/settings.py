"""What the gate takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.vocabulary import DEVICES
from reworld_agent.scenes.roots import beside, require_split

_MODEL, _DATA = "the weights that are judged", "scenes"


@dataclass(frozen=True, kw_only=True)
class GateSettings(Settings):
    """Weights, and the scenes that they are judged on; see `training.gate.judge`.

    Raises:
        UsageError: a split is not there, or nothing is held out.
    """

    checkpoint_path: Path | None = setting(
        "weights folder (the shipped tiny weights); weights_ema beside it is judged too",
        None,
        exists="folder",
        metavar="DIR",
        old_names=("checkpoint",),
        group=_MODEL,
    )
    planner: bool = setting(
        "judge the planner too, which reads the video states; false = the video half alone",
        True,
        group=_MODEL,
    )
    record: bool = setting(
        "write the verdict into checkpoint_path= (gate.json), whose tables then show it",
        True,
        group=_MODEL,
    )
    device: str | None = setting(
        "where the model runs (cuda where there is one)", None, choices=DEVICES, group=_MODEL
    )
    split: str | None = setting(
        "data split that is judged on, held out (town_val, or the one beside fit_split=)",
        None,
        group=_DATA,
    )
    fit_split: str | None = setting(
        "training split that the closed forms and the mean state are of (the one beside split=)",
        None,
        group=_DATA,
    )
    clips: int = setting("scenes of split= at most, spread evenly", 200, least=2, group=_DATA)
    fit_clips: int = setting(
        "scenes of fit_split= at most, spread evenly", 400, least=2, group=_DATA
    )
    seed: int = setting("of the noise", 1, least=0, most=2**31 - 1)
    cache_path: Path | None = setting(
        "decoded frames and targets; null = ~/.cache/reworld/training", None, group=_DATA
    )
    output: Path = setting(
        "written: FILE.parquet and .csv, a row for each quantity",
        Path("outputs/gate"),
        writes=(".parquet", ".csv"),
        metavar="FILE",
    )

    @property
    def judged(self) -> str:
        """Split that is judged on."""
        if self.split is None and self.fit_split is None:
            return "town_val"
        return beside(self.split, self.fit_split or "", "val", "split")

    @property
    def fitted(self) -> str:
        """Split that the closed forms are fitted to."""
        return beside(self.fit_split, self.judged, "train", "fit_split")

    def check(self) -> None:
        """See the class."""
        if self.judged == self.fitted:
            message = f"split=fit_split={self.judged}: nothing is held out"
            raise UsageError(message, "name two splits")
        for split in (self.fitted, self.judged):
            require_split(split)
