"""`reworld vocabulary oracle DIR output=FILE.parquet`: what the best choices would score."""

from __future__ import annotations

from reworld_agent import vocabularies
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown
from reworld_agent.vocabularies.settings import OracleSettings

COMMAND = Command(
    name="vocabulary oracle",
    summary="the best score that a choice from a vocabulary could have, scene by scene",
    settings=OracleSettings,
    run="reworld_agent.cli.commands.vocabulary.oracle:run",
    about="""
One row a scene: the best score of all trajectories and its number, the best of the N that are
nearest to the logged future, the mean of all, and the distance of the nearest one (min_ade_m, over
x and y at 2 Hz).
""",
    examples=("reworld vocabulary oracle outputs/vocabulary output=oracle.parquet",),
    exit_codes="0 the table is written; 1 refused or failed",
)


def run(settings: OracleSettings) -> int:
    """Print the means, and name the files."""
    print(vocabularies.oracle(settings).text())
    path = settings.output.absolute()
    print(f"results in {shown(path)} and {shown(path.with_suffix('.csv'))}")
    return OK
