"""Which files of a run's folder are read; their names alone."""

from __future__ import annotations

from pathlib import Path

from reworld_agent.core.vocabulary import DRIVE_SCORES_FILE, SCORES_FILE

DRIVE_SCORES, DRIVE_FAILURES = DRIVE_SCORES_FILE, "drive_failures.parquet"
SCORES = (SCORES_FILE, "pdm_scores.csv", DRIVE_SCORES, "drive_scores.csv")
"""A run's score table; the first that is there is read."""

TRAJECTORIES, INFERENCE = "trajectories.parquet", "inference.parquet"
EXPLANATIONS = "explanations.parquet"
ROLLOUTS = "rollouts"  # folder of a drive run's recordings, one a scenario


def run_tables(path: Path) -> list[Path]:
    """What a score table or a run's folder is made of: the file itself, or the folder's tables."""
    if not path.is_dir():
        return [path]
    own = [path / name for name in (*SCORES, TRAJECTORIES, INFERENCE, DRIVE_FAILURES)]
    return [*own, *path.glob("*.csv")]


def run_folder(path: Path) -> Path:
    """The folder of a run that is named by it or by its table of scores."""
    return path.parent if path.name in SCORES and not path.is_dir() else path
