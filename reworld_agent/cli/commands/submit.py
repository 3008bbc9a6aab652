"""`reworld submit RUN version=1.1|2.2 output=FILE` and `reworld submit check=FILE`."""

from __future__ import annotations

import sys

from reworld_agent import submission
from reworld_agent.cli.command import FAILED, OK, Command
from reworld_agent.core.findings import Finding, as_text, wants_colours
from reworld_agent.core.text import shown
from reworld_agent.submission.settings import SubmitSettings

COMMAND = Command(
    name="submit",
    summary="build and check the leaderboard's pickle from a run",
    settings=SubmitSettings,
    run="reworld_agent.cli.commands.submit:run",
    about="""
The devkit need not be installed: its classes are written by name, and a file is read with an
allow-list that runs none of its code. Checked are tokens against the split, shapes, finite numbers,
speeds and curvatures, and required entries; then what can be scored here is scored again with the
numbers that stand in the file.
""",
    examples=(
        'reworld submit outputs/pdm_score/a version=1.1 output=submission.pkl team_name="Us" '
        'authors="A. One, B. Two" email=one@lab.org institution="Lab" country=Iceland',
        "reworld submit check=submission.pkl train_test_split=navtest",
    ),
    exit_codes="0 every check passes; 1 refused, or a check fails",
)


def run(settings: SubmitSettings) -> int:
    """Print the findings as they come, and the file's name and digest."""
    colours = wants_colours(sys.stdout)

    def show(finding: Finding) -> None:
        print(as_text(finding, colours), flush=True)

    found = submission.submit(settings, show)
    name = shown(found.file)
    if settings.checked_file is not None:
        print(f"{name}: {'passes' if found.passes else 'fails'}, {found.digest}")
    else:
        size = found.file.stat().st_size
        print(f"written: {name}, version {found.version}, {size:,} bytes, {found.digest}")
    return OK if found.passes else FAILED
