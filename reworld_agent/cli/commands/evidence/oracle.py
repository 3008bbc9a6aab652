"""`reworld evidence oracle output_dir=DIR`."""

from __future__ import annotations

from reworld_agent.benchmarks import evidence
from reworld_agent.benchmarks.evidence.oracle_settings import OracleRun
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown

COMMAND = Command(
    name="evidence oracle",
    summary="train a planner that sees the scene itself in the place of video states",
    settings=OracleRun,
    run="reworld_agent.cli.commands.evidence.oracle:run",
    about="""
How well the planner would drive if perception were no limit: the Action DiT learns as in its
planner stage, from the route, the lead vehicle, the red light and the nearest objects at t0, read
from the scene cache. states=none is its control: the same with zeros.
""",
    examples=(
        "reworld evidence oracle output_dir=outputs/oracle",
        "reworld evidence oracle states=none seed=1 output_dir=outputs/blind",
    ),
    next="reworld score-trajectories trajectories=DIR/plans.parquet data_split=town6_test "
    "output=FILE.parquet",
    exit_codes="0 plans.parquet is written; 1 refused or failed",
    kept="a finished run is kept; a stopped one begins anew",
)


def run(settings: OracleRun) -> int:
    """Name the plans, and how far they are from the expert."""
    made = evidence.train_oracle(settings)
    done = "earlier, " if made.earlier else ""
    print(f"{made.scenes} scenes planned ({done}ADE {made.ade_m:.3f} m): {shown(made.plans)}")
    return OK
