"""What a linear probe takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.scenes.roots import beside, require_split


@dataclass(frozen=True, kw_only=True)
class ProbeSettings(Settings):
    """Frozen states and what they are fitted to; see `video_metrics.probe.fit_probe`."""

    output: Path = setting(
        "written: FILE.parquet and .csv: attribute, block, metric, value, low, high, train, test, "
        "penalty",
        writes=(".parquet", ".csv"),
        metavar="FILE",
    )
    checkpoint_path: Path | None = setting(
        "weights folder (the shipped tiny weights)",
        None,
        exists="folder",
        metavar="DIR",
        old_names=("weights",),
    )
    untrained: bool = setting(
        "draw the Video DiT's weights anew: what the architecture gives for free", False
    )
    seed: int = setting("of the weights that are drawn anew", 1, least=0)
    train_data_split: str = setting("folder of logs to fit on", "town_train", old_names=("train",))
    test_data_split: str | None = setting(
        "folder of logs to score on (town_test, town6_test: beside train_data_split=)",
        None,
        old_names=("test",),
    )
    scenes: int | None = setting("of the split that is fitted on, at most (all)", None, least=1)
    ucf: Path | None = setting(
        "UCF-101 instead, its first split: accuracy over 101 classes",
        None,
        exists="folder",
        metavar="DIR",
    )
    batch_size: int = setting("scenes at a time", 16, least=1, old_names=("batch",))
    cache_dir: Path | None = setting(
        "of states, so that a stopped run goes on ($REWORLD_HOME/metrics/features)",
        None,
        writes="folder",
        shared=True,
        metavar="DIR",
    )

    @property
    def tested(self) -> str:
        """Split that is scored on."""
        return beside(self.test_data_split, self.train_data_split, "test", "test_data_split")

    def check(self) -> None:
        """The splits are there, and two."""
        if self.ucf is not None:
            return
        if self.train_data_split == self.tested:
            message = f"train_data_split=test_data_split={self.train_data_split}"
            raise UsageError(f"{message}: nothing is held out", "name two splits")
        for split in (self.train_data_split, self.tested):
            require_split(split)
