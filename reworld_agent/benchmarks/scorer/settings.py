"""What the benchmark of the scorer takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, setting
from reworld_agent.scenes.roots import require_logs


@dataclass(frozen=True)
class DataSet:
    """A split on disk: `root` holds navsim_logs and maps."""

    root: Path
    split: str

    @classmethod
    def parse(cls, text: str) -> DataSet:
        """Read `DIR:SPLIT`; raises UsageError."""
        root, colon, split = text.rpartition(":")
        if not colon:
            raise UsageError(f"data={text} must be DIR:SPLIT", "for example data=/data:mini")
        require_logs(Path(root).expanduser(), split, f"data={root}")
        return cls(Path(root).expanduser(), split)


@dataclass(frozen=True, kw_only=True)
class ScorerBenchmarkSettings(Settings):
    """Splits whose scenes are scored, on one thread."""

    data: tuple[str, ...] = setting(
        "splits: DIR holds navsim_logs/SPLIT and maps", metavar="DIR:SPLIT[,DIR:SPLIT]"
    )
    scenes: int = setting("of each split, spread over its logs", 8, least=1)
    output: Path = setting(
        "written: FILE.csv (the table), FILE_growth.csv and FILE_growth.png",
        Path("pdm_benchmark"),
        writes=(".csv", "_growth.csv", "_growth.png"),
        metavar="FILE",
    )
    devkit_python: Path | None = setting(
        "interpreter that can import navsim v1.1, for a column of the stock devkit (this one)",
        None,
        exists="file",
        metavar="FILE",
    )

    @property
    def sets(self) -> list[DataSet]:
        """The splits."""
        return [DataSet.parse(text) for text in self.data]

    def check(self) -> None:
        """The splits are there."""
        if not self.data:
            raise UsageError("data= names nothing", "for example data=/data:mini")
        _ = self.sets
