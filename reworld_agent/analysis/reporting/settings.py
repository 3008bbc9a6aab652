"""What a report takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.analysis.tables.files import run_tables
from reworld_agent.analysis.tables.settings import RunSettings
from reworld_agent.core.setting_paths import require_writable
from reworld_agent.core.settings import setting

PAGE = "report.html"


@dataclass(frozen=True, kw_only=True)
class ReportSettings(RunSettings):
    """A run on one page; see `analysis.report`."""

    output: Path | None = setting(
        f"the page ({PAGE} in the run's folder)", None, writes=("",), metavar="FILE.html"
    )
    gallery: int = setting("the N worst scenes, to be played, some 30 kB each", 24, least=0)
    beside: Path | None = setting(
        "another run or table to compare with, over the scenes that both have",
        None,
        exists="any",
        metavar="RUN",
    )
    explain: int = setting(
        "explain a random choice of N failed scenes where there are more", 2000, least=1
    )

    @property
    def page(self) -> Path:
        """Where the page goes."""
        return self.output or self.folder / PAGE

    def check(self) -> None:
        """The page can be written."""
        super().check()
        if self.output is None:
            require_writable("output", self.folder)

    def outputs(self) -> list[tuple[Path, str]]:
        """The page."""
        return [(self.page.absolute().parent, self.page.name)]

    def inputs(self) -> list[tuple[str, Path]]:
        """The tables of both runs."""
        other = run_tables(self.beside) if self.beside is not None else []
        return [*super().inputs(), *(("beside", path) for path in other)]
