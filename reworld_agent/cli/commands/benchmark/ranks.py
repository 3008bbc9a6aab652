"""`reworld benchmark ranks`."""

from __future__ import annotations

from reworld_agent.benchmarks import ranks
from reworld_agent.benchmarks.ranks.settings import RanksSettings
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown

COMMAND = Command(
    name="benchmark ranks",
    summary="do PDMS and EPDMS put planners in the order of the closed loop?",
    settings=RanksSettings,
    run="reworld_agent.cli.commands.benchmark.ranks:run",
    about="""
Every planner is scored once (PDMS and EPDMS, all scenes of a drive) and driven (drive score and
AlpaSim's), on the same drives of the town. Printed and written: each planner's means and ranks, and
for every pair of scores Spearman's and Kendall's rank correlation, with intervals of a bootstrap
over drives, and over drives and planners.
""",
    examples=(
        "reworld benchmark ranks scenarios=24",
        "reworld benchmark ranks planners=docs/designs/ranks.yaml trained=outputs",
    ),
    exit_codes="0 written; 1 a command failed, or refused",
    kept="finished commands, plans and drives are kept; the same command goes on",
)


def run(settings: RanksSettings) -> int:
    """Print both tables, and name the folder."""
    print(ranks.benchmark_ranks(settings).text())
    print(f"written: planners and ranks, .parquet and .csv, in {shown(settings.output_dir)}")
    return OK
