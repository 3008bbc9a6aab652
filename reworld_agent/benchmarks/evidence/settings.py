"""What running and tabling the evidence take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.benchmarks.evidence.designs import Design, read_designs
from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Settings, did_you_mean, setting

_RUN = Path("outputs/evidence")
_REHEARSAL = "rehearsal"  # a folder beside those of the designs


@dataclass(frozen=True, kw_only=True)
class EvidenceRun(Settings):
    """One pre-registered design, and what it starts from.

    Raises:
        UsageError: there is no such design, it lacks something, or what it needs is not given.
    """

    design: str = setting("a name of the designs: A, A2, B, C, D, E, factorial")
    designs: Path | None = setting(
        "file of designs (the shipped ones, of the paper's claims)",
        None,
        exists="file",
        metavar="FILE",
    )
    start: Path | None = setting(
        "weights that the design starts from", None, exists="folder", metavar="DIR"
    )
    pool: Path | None = setting(
        "hard negatives of `reworld mine`", None, exists="any", metavar="FILE"
    )
    model: str = setting("configuration: tiny, small, paper or FILE.yaml", "tiny")
    seeds: tuple[int, ...] = setting(
        "of the design's seeds, those to run here; others may be run elsewhere meanwhile, into "
        "the same folder (all)",
        (),
        metavar="[1,2,...]",
    )
    gate: bool = setting(
        "refuse weights that `reworld video gate` has not passed; false = run, and mark the table",
        True,
    )
    rehearse: bool = setting(
        "each command of the first seed on a few scenes for a few steps, in "
        "OUTPUT_DIR/rehearsal/DESIGN: whether the design runs to its end, before the hours",
        False,
    )
    output_dir: Path = setting(
        "OUTPUT_DIR/DESIGN holds the runs; one that was stopped goes on there",
        _RUN,
        writes="folder",
        metavar="DIR",
    )

    @property
    def chosen(self) -> Design:
        """The design."""
        return read_designs(self.designs).designs[self.design]

    @property
    def home(self) -> Path:
        """Folder of its runs."""
        return self.output_dir / (_REHEARSAL if self.rehearse else "") / self.design

    @property
    def seed_homes(self) -> dict[int, Path]:
        """Folder of what the arms of a seed share, for each seed to run."""
        seeds = self.seeds or self.chosen.seeds
        seeds = seeds[:1] if self.rehearse else seeds
        return {seed: self.home / f"seed_{seed}" for seed in seeds}

    def outputs(self) -> list[tuple[Path, str]]:
        """One process at a time runs a seed."""
        return [(folder, "") for folder in self.seed_homes.values()]

    def check(self) -> None:
        """See the class."""
        found = read_designs(self.designs)
        known = list(found.designs)
        if self.design not in known:
            hint = did_you_mean(self.design, known, f"one of {', '.join(known)}", "design={}")
            raise UsageError(f"design={self.design} is unknown", hint)
        design = found.designs[self.design]
        if design.lacks:
            message = f"design={self.design} cannot be run yet: it lacks {design.lacks}"
            raise UsageError(message, "run another design; the table names what was not run")
        other = [str(seed) for seed in self.seeds if seed not in design.seeds]
        if other:
            message = f"seeds={other[0]}: design={self.design} has no such seed"
            raise UsageError(message, f"some of {', '.join(map(str, design.seeds))}")
        for name in design.needs:
            if getattr(self, name) is None:
                message = f"{name}= is missing, which design={self.design} starts from"
                raise UsageError(message, f"give {name}=; see --help")


@dataclass(frozen=True, kw_only=True)
class EvidenceTable(Settings):
    """What was found of every design that was run."""

    output_dir: Path = setting("of `reworld evidence run`", _RUN, reads=True, metavar="DIR")
    designs: Path | None = setting(
        "file of designs (the shipped ones, of the paper's claims)",
        None,
        exists="file",
        metavar="FILE",
    )
    kept: tuple[Path, ...] = setting(
        "earlier tables, for the designs that OUTPUT_DIR has no runs of",
        (),
        exists="file",
        metavar="[FILE.parquet,...]",
    )
    output: Path = setting(
        "written: FILE.parquet, .csv and .png, a row for each effect",
        Path("outputs/evidence/evidence"),
        writes=(".parquet", ".csv", ".png"),
        metavar="FILE",
    )
    page: Path | None = setting(
        "also written: the page of all claims, such as docs/evidence.md",
        None,
        writes=("",),
        metavar="FILE.md",
    )
    over_towns: bool = setting(
        "intervals over towns in the place of drives: of towns like these, not of these", False
    )
    resamples: int = setting("of the bootstrap", 4000, least=100)
    seed: int = setting("of the bootstrap", 0, least=0)
