"""`reworld explain RUN`."""

from __future__ import annotations

from reworld_agent import analysis
from reworld_agent.analysis.explanation.settings import ExplainSettings
from reworld_agent.cli.command import FAILED, OK, Command
from reworld_agent.core.text import shown

COMMAND = Command(
    name="explain",
    summary="why did scenes of a run fail? in words, by class, with what would have passed",
    settings=ExplainSettings,
    run="reworld_agent.cli.commands.explain:run",
    about="""
Works from a run's tables alone, for any planner's plans: each failed metric with its instant, the
object or the edge of the road, a class, and the smallest change of the plan that would have passed.
""",
    examples=(
        "reworld explain outputs/pdm_score/RUN metric=NC pictures=true",
        "reworld explain outputs/pdm_score/RUN token=d29c3bf01629ee6e picture=why.png",
    ),
    next="reworld report RUN uses what explain has written",
    exit_codes=(
        "0 all failures explained (or none); 1 refused, or some scenes could not be explained"
    ),
)


def run(settings: ExplainSettings) -> int:
    """Print the failures and name the files."""
    found = analysis.explain(settings)
    print(found.text(settings.show))
    if found.written:
        print(f"written: {', '.join(shown(path) for path in found.written)}")
    return FAILED if found.problems else OK
