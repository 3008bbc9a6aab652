"""`reworld benchmark model`."""

from __future__ import annotations

from reworld_agent.benchmarks import model
from reworld_agent.benchmarks.model.settings import ModelBenchmarkSettings
from reworld_agent.cli.command import OK, Command

COMMAND = Command(
    name="benchmark model",
    summary="time and peak memory of the model with random weights",
    settings=ModelBenchmarkSettings,
    run="reworld_agent.cli.commands.benchmark.model:run",
    examples=("reworld benchmark model model=paper parts=plan size=224x224",),
    exit_codes="0 measured; 1 refused or failed",
)


def run(settings: ModelBenchmarkSettings) -> int:
    """Print the table."""
    table = model.benchmark_model(settings)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    return OK
