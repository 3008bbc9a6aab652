"""What a comparison takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.analysis.tables.files import run_tables
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.vocabulary import PROTOCOL_NAMES

ENDINGS = (".parquet", ".csv", ".scenes.parquet", ".scenes.csv")


@dataclass(frozen=True, kw_only=True)
class CompareSettings(Settings):
    """Two evaluations, paired scene by scene; see `analysis.compare`."""

    a: Path = setting(
        "the first evaluation: output folder of a run, or a table (parquet, csv), ours or NAVSIM's",
        exists="any",
        positional=True,
    )
    b: Path = setting("the second one", exists="any", positional=True)
    common: bool = setting("compare the scenes that both have, where they are not the same", False)
    output: Path | None = setting(
        "also write FILE.parquet, FILE.csv (one row a metric) and FILE.scenes.parquet, .csv",
        None,
        writes=ENDINGS,
        metavar="FILE",
    )
    protocol: str | None = setting(
        "which protocol the tables have, where they do not say; which to read of a table of both",
        None,
        choices=PROTOCOL_NAMES,
    )
    resamples: int = setting("bootstrap resamples", 10_000, least=1)
    seed: int = setting("of the resampling", 1, least=0)

    def inputs(self) -> list[tuple[str, Path]]:
        """Both tables; of a run's folder all tables in it."""
        tables = [(name, run_tables(path)) for name, path in (("a", self.a), ("b", self.b))]
        return [(name, path) for name, paths in tables for path in paths]
