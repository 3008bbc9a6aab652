"""`reworld look RUN`."""

from __future__ import annotations

from reworld_agent import analysis
from reworld_agent.analysis.player.settings import LookSettings
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown

_NOTES = 12  # that are printed

COMMAND = Command(
    name="look",
    summary="play scenes of a run: bird's eye, cameras, metrics over time, two agents",
    settings=LookSettings,
    run="reworld_agent.cli.commands.look:run",
    about="""
A page that needs no server and no network: time slider, zoom, every metric as a line with the
failing instant, the small change of the plan that passes, and another run in the same scenes.
""",
    examples=(
        "reworld look outputs/pdm_score/RUN",
        "reworld look outputs/pdm_score/RUN token=d29c3bf01629ee6e beside=outputs/pdm_score/OTHER",
        "reworld look outputs/pdm_score/RUN token=d29c3bf01629ee6e view=mp4 output=why.mp4",
    ),
    next="open the page in a browser; a link to #s-TOKEN@1.5 shows a scene at 1.5 s",
    exit_codes="0 written; 1 refused",
)


def run(settings: LookSettings) -> int:
    """Name the files, and what they lack."""
    made = analysis.look(settings)
    for path in made.paths:
        print(f"written: {shown(path)}")
    print(f"{made.scenes} scene{'s' if made.scenes > 1 else ''}, {made.size / 1e6:.2f} MB")
    for note in made.notes[:_NOTES]:
        print(f"note: {note}")
    if made.notes[_NOTES:]:
        print(f"and {len(made.notes) - _NOTES} more notes; the page has each beside its scene")
    return OK
