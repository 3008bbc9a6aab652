"""`reworld drive agent=NAME`."""

from __future__ import annotations

import sys

from reworld_agent.cli.command import FAILED, OK
from reworld_agent.cli.hydra_command import HydraCommand
from reworld_agent.closed_loop import driving
from reworld_agent.closed_loop.driving.settings import DriveRun

_SHOWN = 5  # scenarios with a reason

COMMAND = HydraCommand(
    name="drive",
    summary="drive an agent through scenarios of the town or over logs, step after step",
    settings=DriveRun,
    run="reworld_agent.cli.commands.drive:run",
    config="reworld_run_drive",
    about="""
The agent sees the cameras at the pose that it has come to, plans, and is driven on by the scorer's
own tracker and bicycle; everybody else sees it where it is and reacts. Writes drive_scores.parquet
and .csv (a row a scenario, the last one the average), drive_failures.parquet, rollouts.parquet
(states at 10 Hz, plans, events) and rollouts/, which `reworld look` plays. An agent that raises,
plans NaN or teleports ends its scenario, and not the run.

world=logs drives over NAVSIM's logs below $OPENSCENE_DATA_ROOT: pieces of seconds= of each log. The
ego is free, the others drive as logged and answer to nobody; pictures are those of the log, and the
table says when the ego was too far from it for them to be true.
""",
    examples=(
        "reworld drive agent=reworld scenarios=16",
        "reworld drive agent=constant_velocity 'kinds=[cut_in,jaywalker,red_light]' scenarios=18",
        "reworld drive agent=human split=town6_val output_dir=outputs/recorded",
        "reworld drive agent=constant_velocity world=logs split=mini cameras=none",
    ),
    next="reworld explain FOLDER, reworld report FOLDER, reworld look FOLDER, reworld compare "
    "FOLDER OTHER",
    exit_codes="0 every scenario has a score; 1 refused, failed, or scenarios without a score",
    kept="finished scenarios are kept; the same command with its output_dir= goes on",
)


def run(settings: DriveRun) -> int:
    """Print the summary, and the scenarios that ended with a reason."""
    found = driving.drive(settings)
    print(found.text())
    print(f"results in {settings.output_dir.absolute()}")
    stopped = found.stopped()
    for row in stopped.head(_SHOWN).itertuples():
        print(f"note: {row.scenario}: {row.reason}", file=sys.stderr)
    if len(stopped) > _SHOWN:
        more = len(stopped) - _SHOWN
        print(f"note: {more} more have a reason: drive_scores.csv", file=sys.stderr)
    missing = int((~found.rows["valid"].astype(bool)).sum())
    if missing:
        print(
            f"error: {missing} of {len(found.rows)} scenarios could not be made or read\n  next: "
            "drive_scores.csv says why; choose other kinds=, or another split=; the others have "
            "their scores",
            file=sys.stderr,
        )
    return FAILED if missing else OK
