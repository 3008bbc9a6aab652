"""What runs have left behind, as arrays: a value a seed and scene, or a curve a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.benchmarks.evidence.designs import Contrast, Design, Measure
from reworld_agent.benchmarks.evidence.run import run_home
from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import NUMBER, check_cells, read_csv, read_frame
from reworld_agent.core.text import is_file_name
from reworld_agent.scenes.logs import load_log
from reworld_agent.scenes.splits import resolve_split

Array = NDArray[np.float64]
AGAIN = "give `reworld evidence run` again: it goes on"
_AVERAGE = "average"


@dataclass(frozen=True)
class Values:
    """Of one arm: [seeds, scenes], and the drive and town of each scene; one scene of curves."""

    numbers: Array
    drives: tuple[str, ...] = ("",)
    towns: tuple[str, ...] = ("",)


def missing_runs(design: Design, contrast: Contrast, home: Path) -> list[str]:
    """Runs that a contrast needs and that are not there, as `arm, seed N`."""
    names = [name for name in (contrast.measure, contrast.choose) if name]
    files = [design.measures[name].file for name in names]
    arms = dict.fromkeys([*contrast.arms, *contrast.among])
    return [
        f"{arm}, seed {seed}"
        for arm in arms
        if arm in design.arms
        for seed in design.seeds
        if not all((run_home(home, arm, seed) / file).is_file() for file in files)
    ]


def arm_values(design: Design, measure: Measure, arm: str, home: Path, split: str) -> Values:
    """What a measure says of every seed of an arm.

    Raises:
        DataError: a table is damaged, or the seeds were scored on other scenes.
    """
    tables = [_read(run_home(home, arm, seed) / measure.file, measure) for seed in design.seeds]
    if "token" not in tables[0]:
        return Values(np.array([[float(t[measure.column].iloc[-1])] for t in tables]))
    tokens = list(tables[0]["token"])
    for table, seed in zip(tables, design.seeds, strict=True):
        if list(table["token"]) != tokens:
            raise DataError(f"{arm}, seed {seed}: it was scored on other scenes", AGAIN)
    values = np.array([t[measure.column].to_numpy(np.float64) for t in tables])
    first = run_home(home, arm, design.seeds[0])
    beside = (first / measure.file).parent / "inference.parquet"
    drives = _drives(first / measure.logs if measure.logs else beside, tokens)
    towns = towns_of(split, drives)
    return Values(values, tuple(drives), tuple(towns))


def arm_curves(design: Design, measure: Measure, arm: str, home: Path) -> list[tuple[Array, Array]]:
    """Steps and values of every seed's curve; raises DataError where it is none."""
    found = []
    for seed in design.seeds:
        file = run_home(home, arm, seed) / measure.file
        table = _read(file, measure)
        if "step" not in table:
            raise DataError(f"{file}: no column step", AGAIN)
        check_cells(file, table, {"step": NUMBER}, AGAIN)
        steps, values = table["step"].to_numpy(np.float64), table[measure.column]
        if len(steps) < 2 or not (np.diff(steps, prepend=-1.0) > 0.0).all():
            raise DataError(f"{file}: its steps are no curve: two or more, rising", AGAIN)
        found.append((steps, values.to_numpy(np.float64)))
    return found


def _read(file: Path, measure: Measure) -> pd.DataFrame:
    if file.suffix == ".csv":
        table = read_csv(file, AGAIN, (measure.column,))
    else:
        table = read_frame(file, AGAIN)
    if measure.column not in table:
        raise DataError(f"{file}: no column {measure.column}", AGAIN)
    if measure.metric is not None:
        table = table[table["metric"] == measure.metric]
    if "token" in table:
        table = table[table["token"] != _AVERAGE].reset_index(drop=True)
    if table.empty:
        raise DataError(f"{file}: it has no row of this measure", AGAIN)
    check_cells(file, table, {measure.column: NUMBER}, AGAIN)
    return table


def _drives(file: Path, tokens: Sequence[str]) -> list[str]:
    """Log of every token, of a table that has both."""
    record = read_frame(file, AGAIN, ("token", "log_name"))
    names = dict(zip(record["token"], record["log_name"], strict=True))
    lost = [token for token in tokens if token not in names]
    if lost:
        raise DataError(f"{file}: no log is known of {lost[0]}", AGAIN)
    return [str(names[token]) for token in tokens]


def towns_of(split: str, drives: Sequence[str]) -> list[str]:
    """Town of every drive of a split, by its log; raises DataError where it is no log's name."""
    folder = resolve_split(split).logs
    other = [drive for drive in drives if not is_file_name(drive)]
    if other:
        raise DataError(f"{other[0]!r} is the name of no log", AGAIN)
    known = {
        drive: str(load_log(folder / f"{drive}.pkl")[0]["map_location"])
        for drive in dict.fromkeys(drives)
    }
    return [known[drive] for drive in drives]


def speedup(control: tuple[Array, Array], arm: tuple[Array, Array], share: float = 0.6) -> float:
    """Steps that the control needs to its own value at `share` of its budget, over the arm's.

    Curves of a falling measure, made monotone by their running minimum and read by straight lines
    between their points. An arm that never comes there is taken to need its whole budget: the
    ratio is then an upper bound.
    """
    steps, values = control[0], np.minimum.accumulate(control[1])
    target = float(np.interp(share * steps[-1], steps, values))
    return _reached(steps, values, target) / _reached(arm[0], np.minimum.accumulate(arm[1]), target)


def _reached(steps: Array, falling: Array, target: float) -> float:
    """First step at which a falling curve is at or below a value; the last where it never is."""
    below = np.flatnonzero(falling <= target)
    if not len(below):
        return float(steps[-1])
    k = int(below[0])
    if k == 0 or falling[k - 1] == falling[k]:
        return float(steps[k])
    part = (falling[k - 1] - target) / (falling[k - 1] - falling[k])
    return float(steps[k - 1] + part * (steps[k] - steps[k - 1]))
