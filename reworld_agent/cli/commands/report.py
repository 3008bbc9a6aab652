"""`reworld report RUN`."""

from __future__ import annotations

from reworld_agent import analysis
from reworld_agent.analysis.reporting.settings import ReportSettings
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown

COMMAND = Command(
    name="report",
    summary="one HTML page of a run: scores, failures, pictures",
    settings=ReportSettings,
    run="reworld_agent.cli.commands.report:run",
    about="""
Score card, completeness, causes of failures, gallery and published rows, on a page that needs no
network. Of a table of scores alone the page is without causes and pictures.
""",
    examples=(
        "reworld report outputs/pdm_score/RUN gallery=50",
        "reworld report outputs/pdm_score/RUN beside=outputs/pdm_score/OTHER output=both.html",
    ),
    exit_codes="0 written; 1 refused",
)


def run(settings: ReportSettings) -> int:
    """Name the page, and what it lacks."""
    made = analysis.report(settings)
    print(f"written: {shown(made.path)} ({made.size / 1e6:.2f} MB)")
    for note in made.content.explained.notes:
        print(f"note: {note}")
    return OK
