"""`reworld compare A B`."""

from __future__ import annotations

from reworld_agent import analysis
from reworld_agent.analysis.comparison.settings import CompareSettings
from reworld_agent.cli.command import BROKEN_INPUT, OK, Command
from reworld_agent.core.text import shown

COMMAND = Command(
    name="compare",
    summary="is A better than B?",
    settings=CompareSettings,
    run="reworld_agent.cli.commands.compare:run",
    about="""
Two evaluations scene by scene, paired by token, with intervals from a bootstrap over whole logs
(scenes of one log share a street and a driver). A verdict is given where the interval of the score
excludes zero; `detectable` is the true difference that is found four times in five.
""",
    examples=(
        "reworld compare outputs/pdm_score/a outputs/pdm_score/b",
        "reworld compare a.csv b.parquet common=true output=a_vs_b",
    ),
    exit_codes=(
        "0 compared; 1 refused (unlike protocols or scenes, unreadable table); "
        "3 compared, but a table bears the signs of a broken evaluation"
    ),
)


def run(settings: CompareSettings) -> int:
    """Print the comparison and name the files."""
    found = analysis.compare(settings)
    print(found.text())
    if found.written:
        print(f"written: {', '.join(shown(path) for path in found.written)}")
    return BROKEN_INPUT if found.is_broken else OK
