"""`reworld benchmark repulsion init_from=DIR pool=FILE`."""

from __future__ import annotations

from reworld_agent.benchmarks import repulsion
from reworld_agent.benchmarks.repulsion.settings import RepulsionSettings
from reworld_agent.cli.command import OK, Command

COMMAND = Command(
    name="benchmark repulsion",
    summary="stage 3 at several factors of L_RDE (the paper's Table 7)",
    settings=RepulsionSettings,
    run="reworld_agent.cli.commands.benchmark.repulsion:run",
    about="""
Trains Stage 3 at each factor from the same weights and pool, and scores each result. A sweep that
was stopped goes on where it stopped.
""",
    examples=(
        "reworld benchmark repulsion init_from=outputs/train_demo/stage_2/weights "
        "pool=outputs/train_demo/pool/pool.parquet frame_interval=4 seeds=3",
    ),
    exit_codes="0 done; 1 a run failed",
    kept="finished commands and checkpoints are kept; the same command goes on",
)


def run(settings: RepulsionSettings) -> int:
    """Print the table."""
    print(repulsion.sweep_repulsion(settings).round(4).to_string(index=False))
    return OK
