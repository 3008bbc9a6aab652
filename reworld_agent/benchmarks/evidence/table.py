"""Effects, intervals and verdicts of all designs, from what their runs have left behind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reworld_agent.analysis import hierarchical_interval
from reworld_agent.benchmarks.evidence.designs import Contrast, Design, Designs, World, read_designs
from reworld_agent.benchmarks.evidence.figure import write_figure
from reworld_agent.benchmarks.evidence.kept import Row, kept_rows, origin_of
from reworld_agent.benchmarks.evidence.measured import (
    Values,
    arm_curves,
    arm_values,
    missing_runs,
    speedup,
)
from reworld_agent.benchmarks.evidence.page import write_page
from reworld_agent.benchmarks.evidence.run import IN_THE_RUNS, RECORD, Begun, gate_of_runs
from reworld_agent.benchmarks.evidence.settings import EvidenceTable
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.records import read_record
from reworld_agent.core.result_tables import write_with_twin
from reworld_agent.core.setting_paths import with_ending
from reworld_agent.training.chain import read_times

SUPPORTED, REFUTED, UNDECIDED = "supported", "refuted", "undecided"
INCOMPLETE, NOT_RUN = "incomplete", "not run"
COLUMNS = [
    *("design", "contrast", "measure", "kind", "chosen", "effect", "low", "high", "seeds"),
    *("clusters", "scenes", "verdict", "missing", "gate", "hours"),
]


@dataclass(frozen=True)
class Evidence:
    """What was found.

    Attributes:
        table: a row a contrast, columns COLUMNS.
        claims: verdict of every design: of its contrasts, the first of refuted, incomplete, not
            run and undecided that one of them has; supported where all are.
        written: the files.
    """

    table: pd.DataFrame
    claims: dict[str, str]
    written: tuple[Path, ...] = ()

    @property
    def incomplete(self) -> list[str]:
        """`design C: lambda_0, seed 3` for every run that is missing of a design that was begun."""
        rows = self.table[self.table["verdict"] == INCOMPLETE]
        named = [
            f"design {row['design']}: {run}"
            for row in rows.to_dict("records")
            for run in str(row["missing"]).split("; ")
        ]
        return list(dict.fromkeys(named))

    def text(self) -> str:
        """A line a contrast, then one a claim."""
        shown = self.table[["design", "contrast", "effect", "low", "high", "seeds", "verdict"]]
        lines = [shown.to_string(index=False, float_format="{:.4f}".format), ""]
        lines += [f"{name}: {verdict}" for name, verdict in self.claims.items()]
        return "\n".join([*lines, *(f"missing: {run}" for run in self.incomplete)])


@one_writer
def table_evidence(settings: EvidenceTable) -> Evidence:
    """Read all runs, write the table, its figure and, where asked, the page.

    Raises:
        ConfigError: runs or kept rows are of another design or of another version of the town.
        DataError: what a run has left behind is damaged.
    """
    found = read_designs(settings.designs)
    kept = kept_rows(settings.kept, found, settings.over_towns, COLUMNS)
    rows = [row for name in found.designs for row in _rows(name, found, settings, kept.get(name))]
    table = pd.DataFrame(rows, columns=COLUMNS)
    claims = {name: _claim(table[table["design"] == name]) for name in found.designs}
    origin = {
        **origin_of(found, rows, settings.over_towns),
        "code_version": code_version(),
        "resamples": settings.resamples,
    }
    parquet, csv, png = (with_ending(settings.output, end) for end in (".parquet", ".csv", ".png"))
    write_with_twin(parquet, table, origin)
    write_figure(table, png)
    files = [parquet, csv, png]
    if settings.page is not None:
        write_page(settings.page, found, table, claims)
        files.append(settings.page)
    return Evidence(table, claims, tuple(files))


def _rows(name: str, found: Designs, settings: EvidenceTable, kept: list[Row] | None) -> list[Row]:
    """A row for each contrast of a design: of its runs, or else as an earlier table has it."""
    design, home = found.designs[name], settings.output_dir / name
    record = _record(design, found, home)
    if record is None and kept is not None:
        return kept
    gate = "" if record is None else record.gate
    gate = gate_of_runs(design, home) if gate == IN_THE_RUNS else gate
    rows = []
    for key, contrast in design.contrasts.items():
        row: Row = dict.fromkeys(COLUMNS, "") | {
            "design": name,
            "contrast": key,
            "measure": contrast.measure,
            "kind": contrast.kind,
            "gate": gate,
            "hours": _hours(home),
        }
        row |= dict.fromkeys(("effect", "low", "high"), math.nan) | dict.fromkeys(
            ("seeds", "clusters", "scenes"), 0
        )
        missing = missing_runs(design, contrast, home)
        if record is None:
            row["verdict"] = NOT_RUN
        elif missing:
            row |= {"verdict": INCOMPLETE, "missing": "; ".join(missing)}
        else:
            row |= _effect(design, contrast, home, found.world, settings)
        rows.append(row)
    return rows


def _record(design: Design, found: Designs, home: Path) -> Begun | None:
    """What the runs of a design were made with; None where there are none."""
    file = home / RECORD
    if not file.is_file():
        return None
    record = read_record(file, Begun, "delete the folder, and run the design again")
    if record.world.version != found.world.version:
        message = f"{home}: its runs are of version {record.world.version} of the town"
        raise ConfigError(message, f"the designs are of version {found.world.version}: run again")
    if record.design != design.digest:
        message = f"{home}: its runs are of another design of that name"
        raise ConfigError(message, "name its file with designs=, or run the design again")
    return record


def _hours(home: Path) -> float:
    """Processor time of all commands, hours."""
    places = (home, *sorted(home.glob("seed_*")))  # version 0.2 kept the times of all seeds in home
    times = {one.command: one.cpu_s for place in places for one in read_times(place)}
    return sum(times.values()) / 3600 if times else math.nan


def _effect(
    design: Design, contrast: Contrast, home: Path, world: World, settings: EvidenceTable
) -> dict[str, Any]:
    """Effect, interval and verdict of a contrast whose runs are all there."""
    chosen = _chosen(design, contrast, home, world.validation)
    arms = {chosen if arm == "chosen" else arm: factor for arm, factor in contrast.arms.items()}
    values = _combined(design, contrast, arms, home, world.test)
    found = hierarchical_interval(
        values.numbers,
        values.drives,
        values.towns,
        over_towns=settings.over_towns,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    numbers = [found.estimate, found.low, found.high]
    if contrast.kind != "linear":
        numbers = [math.exp(number) for number in numbers]
    effect, low, high = numbers
    verdict = UNDECIDED
    if contrast.supported.holds(effect, low, high):
        verdict = SUPPORTED
    elif contrast.refuted.holds(effect, low, high):
        verdict = REFUTED
    return {
        "effect": effect,
        "low": low,
        "high": high,
        "verdict": verdict,
        "chosen": chosen,
        "seeds": found.seeds,
        "clusters": found.clusters,
        "scenes": values.numbers.shape[1],
    }


def _chosen(design: Design, contrast: Contrast, home: Path, split: str) -> str:
    """The arm with the highest mean of the measure that chooses; "" where none is chosen."""
    if contrast.choose is None:
        return ""
    measure = design.measures[contrast.choose]
    means = {
        arm: float(arm_values(design, measure, arm, home, split).numbers.mean())
        for arm in contrast.among
    }
    return max(means, key=lambda arm: means[arm])


def _combined(
    design: Design, contrast: Contrast, arms: dict[str, float], home: Path, split: str
) -> Values:
    """Σ factor · value of the arms, seed by seed and scene by scene; logarithms of ratios."""
    measure = design.measures[contrast.measure]
    if contrast.kind == "speedup":
        arm, control = sorted(arms, key=lambda name: -arms[name])
        curves = zip(
            *(arm_curves(design, measure, name, home) for name in (control, arm)), strict=True
        )
        gains = [speedup(first, second, contrast.share) for first, second in curves]
        return Values(np.log(gains)[:, None])
    parts = {arm: arm_values(design, measure, arm, home, split) for arm in arms}
    first = next(iter(parts.values()))
    total = np.zeros_like(first.numbers)
    for arm, factor in arms.items():
        if parts[arm].numbers.shape != total.shape or parts[arm].drives != first.drives:
            raise ConfigError(f"{arm} was scored on other scenes", "run the design again")
        own = parts[arm].numbers
        total += factor * (np.log(own) if contrast.kind == "ratio" else own)
    return Values(total, first.drives, first.towns)


def _claim(rows: pd.DataFrame) -> str:
    """See `Evidence.claims`."""
    verdicts = set(rows["verdict"])
    for verdict in (REFUTED, INCOMPLETE, NOT_RUN, UNDECIDED):
        if verdict in verdicts:
            return verdict
    return SUPPORTED
