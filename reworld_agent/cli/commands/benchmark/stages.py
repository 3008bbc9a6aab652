"""`reworld benchmark stages`."""

from __future__ import annotations

from reworld_agent.benchmarks import stages
from reworld_agent.benchmarks.stages.settings import StagesBenchmarkSettings
from reworld_agent.cli.command import OK, Command

COMMAND = Command(
    name="benchmark stages",
    summary="what each training stage's step costs, with and without the paper's term",
    settings=StagesBenchmarkSettings,
    run="reworld_agent.cli.commands.benchmark.stages:run",
    about="""
Operations of a Stage 1 step with and without L_Mid, and of a Stage 2 step with and without L_align
(meta device, the paper's size), then the time of real steps with random weights, in turns: the
median of the paired ratios, with the 95 % interval of a bootstrap, by the clock and in processor
time, beside the ratio that the operations of these very steps have.
""",
    examples=("reworld benchmark stages model=slice batch_size=2 steps=24",),
    exit_codes="0 measured; 1 refused or failed",
)


def run(settings: StagesBenchmarkSettings) -> int:
    """Print both tables."""
    for table in stages.benchmark_stages(settings):
        print(table.to_string(index=False))
    return OK
