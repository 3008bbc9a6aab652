"""`reworld score trajectories=FILE`, which is also `python eval/score_trajectories.py`."""

from __future__ import annotations

from reworld_agent import evaluation
from reworld_agent.cli.command import FAILED, OK, Command
from reworld_agent.core.text import shown
from reworld_agent.evaluation.file_settings import ScoreFileSettings

COMMAND = Command(
    name="score-trajectories",
    summary="score trajectories of any planner with the PDM score of NAVSIM, without the devkit",
    settings=ScoreFileSettings,
    run="reworld_agent.cli.commands.score_trajectories:run",
    about="""
Poses are 24 numbers = [8, 3] at 2 Hz, or 120 = [40, 3] at 10 Hz: x, y [m], heading [rad] of the
rear axle in the ego frame at t0 (x forward, y left), up to 4 s. Of plans that are sampled otherwise
say the seconds between poses: interval_s=0.25 for all rows, or a column interval_s. As in the
devkit, what lies beyond 4 s is cut off, and a shorter plan stands still at its last pose. Every
trajectory is scored alone beside PDM-Closed. Rows that cannot be scored have valid = false and a
reason.
""",
    examples=(
        "reworld score-trajectories trajectories=plans.parquet data_split=town_test "
        "output=scores.parquet",
        "reworld score trajectories=plans.parquet data_root=/data/openscene "
        "maps_root=/data/maps data_split=mini output=scores.parquet",
    ),
    next="reworld compare scores.parquet OTHER",
    exit_codes="0 every row has a score; 1 refused, failed, or rows without a score",
    kept="finished scenes are kept; the same command goes on",
)


def run(settings: ScoreFileSettings) -> int:
    """Print counts, means and reasons, and name the files."""
    found = evaluation.score_file(settings)
    print(found.text())
    tables = [("results", settings.output.absolute())]
    if found.stages is not None:
        tables.insert(0, ("stages", settings.stages_output.absolute()))
    for name, path in tables:
        print(f"{name} in {shown(path)} and {shown(path.with_suffix('.csv'))}")
    return OK if found.is_whole else FAILED
