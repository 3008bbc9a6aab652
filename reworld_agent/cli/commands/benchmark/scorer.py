"""`reworld benchmark scorer data=DIR:SPLIT`."""

from __future__ import annotations

from reworld_agent.benchmarks import scorer
from reworld_agent.benchmarks.scorer.settings import ScorerBenchmarkSettings
from reworld_agent.cli.command import OK, Command

COMMAND = Command(
    name="benchmark scorer",
    summary="time of the scorer on one thread, beside the stock devkit",
    settings=ScorerBenchmarkSettings,
    run="reworld_agent.cli.commands.benchmark.scorer:run",
    examples=("reworld benchmark scorer data=/data/openscene:mini scenes=8 output=pdm_benchmark",),
    exit_codes="0 measured; 1 refused or failed",
)


def run(settings: ScorerBenchmarkSettings) -> int:
    """Print sizes of the scenes, the table and the growth."""
    found = scorer.benchmark_scorer(settings)
    sizes = found.scenes[["split", "tracks", "polygons"]].groupby("split", sort=False).median()
    print(sizes.to_string())
    for table in (found.table, found.growth):
        print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    wall, own = found.first_use
    print(f"first use, compiling everything: {wall:.1f} s, {own:.1f} s of CPU time in its process")
    return OK
