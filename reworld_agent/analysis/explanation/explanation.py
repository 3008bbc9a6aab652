"""What an explanation of a run found: rows, text, files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reworld_agent.analysis.explanation.explain import GROUPS
from reworld_agent.analysis.tables.files import EXPLANATIONS
from reworld_agent.analysis.tables.runs import Run
from reworld_agent.core.errors import DataError
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_with_twin
from reworld_agent.pdm.metrics import SCORE, short_name
from reworld_agent.pdm.metrics.table import EP


@dataclass(frozen=True)
class Explanation:
    """Failures of a run, or of one scene.

    Attributes:
        run: its tables.
        rows: one row a failure (columns of `explain.SCHEMA`), worst scenes first.
        problems: (token, reason) of scenes that could not be explained or drawn.
        token: the one scene that was asked for; None = all.
        tried: of one scene: a row a variant that was tried, with its metrics by short names.
        written: files and folders that were written.
    """

    run: Run
    rows: pd.DataFrame
    problems: tuple[tuple[str, str], ...] = ()
    token: str | None = None
    tried: pd.DataFrame | None = None
    written: tuple[Path, ...] = ()

    def text(self, show: int = 20) -> str:
        """Counts by class and circumstance, and sentences of the `show` worst scenes.

        Of one scene: its sentences and what was tried.
        """
        return self._scene_text() if self.token is not None else self._run_text(show)

    def _scene_text(self) -> str:
        passes = "" if len(self.rows) else "passes every metric"
        lines = [f"{self.token}: {passes}".rstrip(": ")]
        lines += [f"  [{row['class']}] {row['sentence']}" for row in self.rows.to_dict("records")]
        if self.tried is not None:
            lines.append(self.tried.to_string(float_format=lambda value: f"{value:.2f}"))
        return "\n".join(lines)

    def _run_text(self, show: int) -> str:
        decisive = self.rows.drop_duplicates("token")
        scored = int(self.run.table.frame[SCORE].notna().sum())
        unscored = len(self.run.table.frame) - scored
        table, protocol = self.run.table, self.run.table.protocol
        lines = [
            f"{table.label}, {protocol.title} ({protocol.name}), "
            f"split {self.run.caches.data_split}: {len(decisive):,} of {scored:,} scenes explained",
        ]
        if unscored:
            lines.append(f"note: {unscored} scenes have no score (see failures.csv of the run)")
        if self.rows.empty and not self.problems:
            return "\n".join([*lines, "no scene fails"])
        if len(self.rows):
            names = [short_name(name) for name in protocol.explained]
            counts = pd.crosstab(self.rows["class"], self.rows["metric"])
            counts = counts.reindex(columns=[name for name in names if name in counts])
            counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False).index]
            lines += ["", "failures by class", counts.rename_axis(columns=None).to_string(), ""]
            lines += [
                f"{name}: {_counts(decisive, name, by)}"
                for name, by in GROUPS.items()
                if name != "class"
            ]
            lines += [""]
        for row in decisive.head(show).to_dict("records"):
            lines.append(f"{row['token']}  {row['score']:.2f}  [{row['class']}] {row['sentence']}")
        if len(decisive) > show:
            lines.append(f"... {len(decisive) - show} more: show={len(decisive)}, or the table")
        changed = scored_otherwise(self.run, decisive)
        if len(changed):
            lines.append(
                f"WARNING: {len(changed)} scenes score otherwise now than in the run's table "
                f"(first {changed['token'].iloc[0]}): it was made by another version, or the data "
                "changed"
            )
        for reason in dict.fromkeys(reason for _, reason in self.problems):
            tokens = [token for token, own in self.problems if own == reason]
            lines.append(f"ERROR: not explained: {len(tokens)} ({tokens[0]} ...): {reason}")
        return "\n".join(lines)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write `explanations.parquet` and its csv twin.

        Raises:
            DataError: the folder cannot be written.
        """
        origin: dict[str, Any] = {
            **self.run.table.provenance,
            "explained_by": code_version(),
            "ep_below": EP.bound,
        }
        parquet = folder / EXPLANATIONS
        try:
            write_with_twin(parquet, self.rows, origin)
        except DataError as error:
            raise DataError(error.message, "set output_dir=<a folder you may write to>") from error
        return parquet, parquet.with_suffix(".csv")


def scored_otherwise(run: Run, decisive: pd.DataFrame) -> pd.DataFrame:
    """Explained scenes whose score is not that of the run's table.

    With EC in it (which needs two frames) the table's score cannot be had from one scene, and none
    is named.
    """
    if any(name in run.table.frame for name in run.table.protocol.optional):
        return decisive.head(0)
    return decisive[(decisive["score"] - decisive["table_score"]).abs() > 1e-6]


def _counts(rows: pd.DataFrame, name: str, by: str | None) -> str:
    counts = rows[name].value_counts()
    if by is not None:
        counts = counts.loc[rows.groupby(name)[by].min().sort_values().index]
    return ", ".join(f"{value} {count}" for value, count in counts.items())
