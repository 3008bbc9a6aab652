"""Pictures of the worst scenes of a run, and a page that shows them side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from reworld_agent.analysis.explanation.worst import worst
from reworld_agent.analysis.figures.picture import compose, open_view
from reworld_agent.analysis.tables.runs import Run
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.guards.file_names import file_name
from reworld_agent.core.workers import run_tasks

_WORTH_A_POOL = 8  # pictures; starting processes costs seconds


@dataclass(frozen=True)
class PictureTask:
    """One picture to draw: the failures of a scene, and the file."""

    run: Run
    token: str
    rows: tuple[Mapping[str, Any], ...]
    path: Path


def write_gallery(
    run: Run, rows: pd.DataFrame, folder: Path, count: int = 24, workers: int | None = None
) -> tuple[Path, list[tuple[str, str]]]:
    """Draw the worst scenes, one PNG each, named by rank and token.

    Args:
        run: of `runs.open_run`.
        rows: its failures (`explain_runs.explain_run`).
        folder: where the pictures go; it is made.
        count: how many.
        workers: processes; None takes one for each core where there is much to do.

    Returns:
        The folder, and (token, reason) of scenes that could not be drawn.

    Raises:
        DataError: the folder cannot be written.
    """
    chosen = worst(rows, count)
    tasks = [
        PictureTask(run.alone(token), token, own, folder / f"{rank:03d}_{file_name(token)}.png")
        for rank, (token, own) in enumerate(chosen.items(), 1)
    ]
    problems: list[tuple[str, str]] = []
    for token, reason in run_pictures(draw_one, tasks, workers):
        if reason:
            problems.append((token, reason))
    return folder, problems


def run_pictures(function: Any, tasks: Sequence[Any], workers: int | None = None) -> list[Any]:
    """Results of drawing tasks, with a bar; in processes where there are many."""
    worker = "processes" if workers or len(tasks) >= _WORTH_A_POOL else "sequential"
    done = run_tasks(function, tasks, worker, workers)
    return list(tqdm(done, total=len(tasks), desc="drawing", unit="picture", delay=2.0))


def draw_one(task: PictureTask) -> tuple[str, str]:
    """Draw one scene; (token, reason why not, or "")."""
    try:
        figure = compose(open_view(task.run, task.token, task.rows))
        write_atomically(task.path, lambda partial: figure.savefig(partial, format="png"))
    except ReWorldError as error:
        return task.token, error.message
    return task.token, ""
