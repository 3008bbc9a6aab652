"""`reworld benchmark methods`, also `python train/benchmark_objectives.py`."""

from __future__ import annotations

from reworld_agent.benchmarks import table2
from reworld_agent.benchmarks.table2.settings import Table2Settings
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown

COMMAND = Command(
    name="benchmark methods",
    summary="the methods of the paper's Table 2 under one protocol",
    settings=Table2Settings,
    run="reworld_agent.cli.commands.benchmark.methods:run",
    about="""
From scratch, no text, two clean latents. Table 7, the factor of L_RDE: reworld benchmark repulsion.
""",
    examples=(
        "reworld benchmark methods",
        "reworld benchmark methods sweep=convergence seeds=3",
        "reworld benchmark methods sweep=representations methods=vanilla,sra,reworld",
    ),
    exit_codes="0 done; 1 refused or failed",
    kept="finished runs and judgements are kept; the same command goes on",
)


def run(settings: Table2Settings) -> int:
    """Print the means over the seeds and name the table."""
    found = table2.compare_methods(settings)
    print(found.summary.to_string(index=False))
    print(f"written: {shown(found.file)}")
    return OK
