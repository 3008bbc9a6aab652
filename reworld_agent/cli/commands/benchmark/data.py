"""`reworld benchmark data`."""

from __future__ import annotations

from reworld_agent.benchmarks import data
from reworld_agent.benchmarks.data.settings import DataBenchmarkSettings
from reworld_agent.cli.command import OK, Command

COMMAND = Command(
    name="benchmark data",
    summary="clips a second from disk to the model, and what their index takes",
    settings=DataBenchmarkSettings,
    run="reworld_agent.cli.commands.benchmark.data:run",
    examples=("reworld benchmark data parts=pictures,latents,shards model=paper",),
    exit_codes="0 measured; 1 refused or failed",
)


def run(settings: DataBenchmarkSettings) -> int:
    """Print the table."""
    table = data.benchmark_data(settings)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    return OK
