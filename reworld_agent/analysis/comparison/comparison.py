"""What a comparison found: numbers, a verdict in words, and files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reworld_agent.analysis.tables.sanity import ERROR, Notice
from reworld_agent.analysis.tables.score_tables import ScoreTable
from reworld_agent.analysis.tables.two_stages import COMBINED, STAGE_COLUMN
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_with_twin
from reworld_agent.core.setting_paths import with_ending
from reworld_agent.core.text import shown
from reworld_agent.pdm.metrics import SCORE, short_name

WON, LOST, TIED = "won", "lost", "tied"
_ROUNDING = 1e-9
UNKNOWN = "unknown"  # what decides a scene whose difference no metric explains


@dataclass(frozen=True)
class Combined:
    """The interval of the difference of NAVSIM's combined score.

    Attributes:
        low, high: its bounds; NaN with one cluster.
        clusters: how many were resampled.
        kind: what they are.
    """

    low: float
    high: float
    clusters: int
    kind: str


@dataclass(frozen=True)
class Comparison:
    """A against B; every difference is A - B.

    Attributes:
        a, b: the tables.
        metrics: one row a metric: metric, mean_a, mean_b, difference, low, high,
            standard_error, minimum_detectable, won, lost, tied (scenes, seen from A); of tables
            with two stages also stage, each metric once for either.
        scenes: one row a scene: token, log_name, score_a, score_b, difference, outcome
            (won, lost, tied), decided_by (the metric that costs the loser most); stage likewise.
        clusters: how many independent pieces were resampled, and what they are.
        settings: confidence, resamples, seed, common.
        notes: what was left out.
        notices: signs of broken evaluations, (`A` or `B`, notice).
        written: the files.
        combined: of tables of two stages that hold the scores of their groups.
    """

    a: ScoreTable
    b: ScoreTable
    metrics: pd.DataFrame
    scenes: pd.DataFrame
    clusters: tuple[int, str]
    settings: dict[str, Any]
    notes: tuple[str, ...]
    notices: tuple[tuple[str, Notice], ...]
    written: tuple[Path, ...] = ()
    combined: Combined | None = None

    @property
    def is_broken(self) -> bool:
        """A table bears the signs of a broken evaluation."""
        return any(notice.level == ERROR for _, notice in self.notices)

    @property
    def verdict(self) -> str:
        """One line: which of the two scores higher, or why that cannot be said."""
        if self.is_broken:
            return "VERDICT: none; a table bears the signs of a broken evaluation (see ERROR below)"
        if self.two_stages:
            return self._verdict_of_two_stages()
        row = self.metrics[self.metrics["metric"] == SCORE].iloc[0]
        if self._official_contradicts(float(row["difference"])):
            return (
                "VERDICT: none; the tables' own last rows say the opposite of the means of their "
                "scenes"
            )
        if row["low"] > 0 or row["high"] < 0:
            better, worse = ("A", "B") if row["difference"] > 0 else ("B", "A")
            bounds = sorted((abs(row["low"]), abs(row["high"])))
            return (
                f"VERDICT: {better} scores {abs(row['difference']):.4f} higher than {worse} "
                f"(interval {bounds[0]:.4f} to {bounds[1]:.4f})"
            )
        if (self.scenes["outcome"] == TIED).all():
            return "VERDICT: A and B score the same in every scene"
        if np.isnan(row["low"]):
            return "VERDICT: none; a single log cannot say how much another would differ"
        return (
            f"VERDICT: no difference shown; {len(self.scenes):,} scenes of this kind show one from "
            f"{row['minimum_detectable']:.4f} on"
        )

    @property
    def two_stages(self) -> bool:
        """Both tables are of NAVSIM v2.2's two stages."""
        return self.a.stages is not None and self.b.stages is not None

    @property
    def official(self) -> list[tuple[str, float, float]]:
        """What the last rows of both tables say of the score: name, A, B."""
        a, b = self.a.summary, self.b.summary
        return [(name, a[name], b[name]) for name in a if name in b]

    def _official_contradicts(self, difference: float) -> bool:
        if len(self.scenes) != len(self.a.frame) or len(self.scenes) != len(self.b.frame):
            return False  # the last rows are of other scenes than those that are compared
        own = [a - b for _, a, b in self.official]
        return any(value * difference < 0 and abs(value) > _ROUNDING for value in own)

    def _verdict_of_two_stages(self) -> str:
        """By NAVSIM's combined rows alone: no mean over rows is that score."""
        unscored = {
            letter: int(table.frame[SCORE].isna().sum())
            for letter, table in (("A", self.a), ("B", self.b))
        }
        missing = {letter: count for letter, count in unscored.items() if count}
        if missing:
            letter, count = next(iter(missing.items()))
            return f"VERDICT: none; {count:,} scenes of {letter} have no score"
        if any(len(self.scenes) != len(table.frame) for table in (self.a, self.b)):
            return "VERDICT: none; NAVSIM's combined rows are of other scenes than both have"
        scores = [table.official.get(COMBINED, np.nan) for table in (self.a, self.b)]
        if not np.isfinite(scores).all():
            letter = "A" if not np.isfinite(scores[0]) else "B"
            return f"VERDICT: none; {letter} has no valid combined score of NAVSIM"
        difference = scores[0] - scores[1]
        if abs(difference) <= _ROUNDING:
            return "VERDICT: A and B have the same combined score of NAVSIM"
        better, worse = ("A", "B") if difference > 0 else ("B", "A")
        return (
            f"VERDICT: {better} scores {abs(difference):.4f} higher than {worse} by NAVSIM's "
            f"combined score; {self._interval_of_two_stages()}"
        )

    def _interval_of_two_stages(self) -> str:
        found = self.combined
        if found is None:
            return "without an interval, for the tables do not hold the weights of stage two"
        if np.isnan(found.low):
            return f"without an interval, which one of the {found.kind} cannot give"
        percent = f"{100 * self.settings['confidence']:g} %"
        interval = f"A - B within [{found.low:+.4f}, {found.high:+.4f}] ({percent}"
        doubt = "" if found.low > 0 or found.high < 0 else ", so that it may be chance"
        return f"{interval}, {found.clusters:,} {found.kind}){doubt}"

    def text(self) -> str:
        """The comparison as text: the metrics, the verdict, and what is to be noted."""
        count, kind = self.clusters
        percent = f"{100 * self.settings['confidence']:g} %"
        lines = [
            f"A  {_name(self.a)}",
            f"B  {_name(self.b)}",
            f"{self.a.protocol.name} ({self.a.protocol.title}), {len(self.scenes):,} scenes"
            + (f" of {count:,} logs" if kind == "logs" else ""),
            "",
            *_official(self),
            *_table(self, percent),
            "",
            *_outcomes(self),
            self.verdict,
            "",
            f"{percent} intervals: BCa bootstrap, {self.settings['resamples']:,} resamples of "
            f"{kind}, seed {self.settings['seed']}; `detectable`: true difference found 4 times "
            "in 5",
        ]
        lines += [f"note: {note}" for note in self.notes]
        for letter, table in (("A", self.a), ("B", self.b)):
            lines += [f"note: {letter}: {note}" for note in table.notes]
        lines += [notice_text(letter, notice) for letter, notice in self.notices]
        return "\n".join(lines)

    def write(self, output: Path) -> tuple[Path, ...]:
        """Write `<output>.parquet`, `.csv` and `<output>.scenes.parquet`, `.csv`.

        Raises:
            DataError: the folder cannot be written.
        """
        origin = {
            "protocol": self.a.protocol.name,
            "code_version": code_version(),
            "a": shown(self.a.path),
            "b": shown(self.b.path),
            "provenance_a": self.a.provenance,
            "provenance_b": self.b.provenance,
            "scenes": len(self.scenes),
            "official": {name: {"a": a, "b": b} for name, a, b in self.official},
            "verdict": self.verdict,
            "combined": None if self.combined is None else asdict(self.combined),
            "clusters": list(self.clusters),
            **self.settings,
            "notes": [*self.notes, *(f"{letter}: {item.text}" for letter, item in self.notices)],
        }
        written: list[Path] = []
        for frame, middle in ((self.metrics, ""), (self.scenes, ".scenes")):
            written += [with_ending(output, middle + suffix) for suffix in (".parquet", ".csv")]
            write_with_twin(written[-2], frame, origin)
        return tuple(written)


def notice_text(letter: str, notice: Notice) -> str:
    """A sign of a broken table as a line: "ERROR: B: ..."."""
    return f"{notice.level.upper()}: {letter}: {notice.text}"


def _name(table: ScoreTable) -> str:
    origin = (
        f"protocol from its {table.protocol_from}"
        if table.protocol_from != "protocol="
        else "protocol="
    )
    return f"{table.label}  ({shown(table.path)}; {origin})"


def _official(found: Comparison) -> Iterator[str]:
    """NAVSIM's own rows of two-stage tables."""
    if not found.two_stages:
        return
    yield f"{'NAVSIM':<11}{'A':>8}{'B':>9}{'A - B':>10}"
    for name, a, b in found.official:
        yield f"{name:<11}{a:8.4f}{b:9.4f}{a - b:+10.4f}"
    yield ""
    yield "Means of the rows of each stage, which are not NAVSIM's (its weights are not in a table)"


def _table(found: Comparison, percent: str) -> Iterator[str]:
    heads = f"{'A':>8}{'B':>9}{'A - B':>10}   {percent + ' interval':<20}{'detectable':>11}"
    yield f"{'metric':<7}{heads}{WON:>9}{LOST:>8}{TIED:>9}"
    before = ""
    for row in found.metrics.to_dict("records"):
        stage = str(row.get(STAGE_COLUMN, ""))
        if stage != before:
            rows = int((found.scenes[STAGE_COLUMN] == stage).sum())
            yield f"{stage}, {rows:,} scenes"
            before = stage
        interval = f"[{row['low']:+.4f}, {row['high']:+.4f}]"
        if np.isnan(row["low"]):
            interval = "unknown"
        yield (
            f"{short_name(row['metric']):<7}{row['mean_a']:8.4f}{row['mean_b']:9.4f}"
            f"{row['difference']:+10.4f}   {interval:<20}{row['minimum_detectable']:11.4f}"
            f"{row[WON]:9,}{row[LOST]:8,}{row[TIED]:9,}"
        )


def _outcomes(found: Comparison) -> Iterator[str]:
    for outcome, verb in ((WON, "wins"), (LOST, "loses")):
        for stage, scenes in _by_stage(found):
            own = scenes[scenes["outcome"] == outcome]
            causes = own["decided_by"].value_counts()
            by = ", ".join(f"{deciding_name(str(k))} {n:,}" for k, n in causes.items())
            head = f"{stage}: " if stage else ""
            yield f"{head}A {verb} {len(own):,} scenes" + (f", decided by {by}" if by else "")


def _by_stage(found: Comparison) -> list[tuple[str, pd.DataFrame]]:
    """The scenes of each stage; all under "" where there is one."""
    scenes = found.scenes
    if STAGE_COLUMN not in scenes:
        return [("", scenes)]
    stages = scenes[STAGE_COLUMN].drop_duplicates()
    return [(str(stage), scenes[scenes[STAGE_COLUMN] == stage]) for stage in stages]


def deciding_name(column: str) -> str:
    """Short name of the metric that decides a scene; `unknown` stays."""
    return column if column == UNKNOWN else short_name(column)
