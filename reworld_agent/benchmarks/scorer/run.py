"""The benchmark of the scorer, as its settings say."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pandas as pd

from reworld_agent.benchmarks.scorer.measure import first_use_s, run, summary
from reworld_agent.benchmarks.scorer.picture import draw_growth
from reworld_agent.benchmarks.scorer.settings import ScorerBenchmarkSettings
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.result_tables import write_csv
from reworld_agent.core.setting_paths import with_ending


@dataclass(frozen=True)
class ScorerTimes:
    """What the scorer takes.

    Attributes:
        table: medians by split [ms], with the devkit's column where it was measured.
        scenes: a row a scene.
        growth: time against the number of candidates.
        first_use: seconds of a process that compiles everything: on the wall, and of its own.
    """

    table: pd.DataFrame
    scenes: pd.DataFrame
    growth: pd.DataFrame
    first_use: tuple[float, float]


@one_writer
def benchmark_scorer(settings: ScorerBenchmarkSettings) -> ScorerTimes:
    """Time the scorer on one thread, and write tables and picture.

    Raises:
        ReWorldError: a split cannot be read, or a file cannot be written.
    """
    sets, python = settings.sets, str(settings.devkit_python or sys.executable)
    ours, curves, devkit = run(sets, settings.scenes, python)
    times = first_use_s(sets[0], str(ours["token"].iloc[0]))
    table = summary(ours, devkit)
    write_csv(with_ending(settings.output, ".csv"), table)
    write_csv(with_ending(settings.output, "_growth.csv"), curves)
    draw_growth(curves, with_ending(settings.output, "_growth.png"))
    return ScorerTimes(table, ours, curves, times)
