"""Which scenes of a run failed, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from reworld_agent.analysis.explanation.counterfactuals import dense
from reworld_agent.analysis.explanation.explain import (
    SCHEMA,
    ExplainTask,
    SceneTask,
    explain_chunk,
    explained_names,
    failed_metrics,
    try_variants,
)
from reworld_agent.analysis.explanation.explanation import Explanation
from reworld_agent.analysis.explanation.settings import ExplainSettings
from reworld_agent.analysis.tables.driven import driven_failures, driven_run, is_driven
from reworld_agent.analysis.tables.runs import Run, open_run
from reworld_agent.analysis.tables.score_tables import ScoreTable, read_table
from reworld_agent.core.errors import DataError, SceneError, UsageError
from reworld_agent.core.extending.plugins import VARIABLE
from reworld_agent.core.extras import require_installed
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.settings import did_you_mean
from reworld_agent.core.text import shown
from reworld_agent.core.vocabulary import PDMS_V1
from reworld_agent.core.workers import run_tasks
from reworld_agent.pdm.metrics import SCORE, short_name

_CHUNK = 16  # scenes a task
_WORTH_A_POOL = 200  # scenes; starting processes costs seconds


@one_writer
def explain(settings: ExplainSettings) -> Explanation:
    """Explain the failures of a run, or of one scene of it, and write what the settings ask for.

    Raises:
        ReWorldError: the run cannot be read; the one scene cannot be explained; a file cannot be
            written; pictures are asked for and the extra `figures` is not installed.
    """
    if settings.metric is not None:
        _require_metric(settings.metric, explained_names(), "no metric that is explained")
    if settings.picture is not None or settings.pictures:
        require_installed("matplotlib", "cv2")
    table = read_table(settings.run, of_both=settings.protocol or PDMS_V1)
    if is_driven(table):
        return _explain_driven(settings, table)
    run = open_run(settings)
    if not run.table.frame[SCORE].notna().any():
        raise DataError(
            f"{shown(run.table.path)}: none of {len(run.table.frame)} scenes has a score",
            "failures.csv beside it says why; score again with the same output_dir=",
        )
    if settings.token is not None:
        found = explain_token(run, settings.token)
        if settings.picture is None:
            return found
        # explanations need no extra, pictures need `figures`
        from reworld_agent.analysis.figures.picture import write_picture  # noqa: PLC0415

        failures: list[Any] = found.rows.to_dict("records")
        picture = write_picture(run, settings.token, settings.picture, failures)
        return replace(found, written=(picture,))
    if settings.metric is not None:
        known = [short_name(name) for name in run.table.protocol.explained]
        _require_metric(settings.metric, known, f"not a metric of {run.table.protocol.title}")
    rows, problems = explain_run(run, settings.metric, settings.workers)
    found = Explanation(run, rows, tuple(problems))
    written: list[Path] = [*found.write(settings.output)]
    if settings.pictures:
        from reworld_agent.analysis.figures.gallery import write_gallery  # noqa: PLC0415 - as above

        pictures = settings.output / "pictures"
        made, undrawn = write_gallery(run, rows, pictures, settings.show, settings.workers)
        written.append(made)
        problems += undrawn
    return replace(found, problems=tuple(problems), written=tuple(written))


def _explain_driven(settings: ExplainSettings, table: ScoreTable) -> Explanation:
    """The failures that `reworld drive` found; no changes are tried."""
    if settings.picture is not None or settings.pictures:
        raise UsageError("a drive has no picture of one plan", "reworld look RUN plays it")
    run, rows = driven_run(table), driven_failures(table, list(SCHEMA.names))
    if settings.metric is not None:
        rows = rows[rows["metric"] == settings.metric].reset_index(drop=True)
    if settings.token is None:
        found = Explanation(run, rows)
        return replace(found, written=found.write(settings.output))
    if settings.token not in table.frame.index:
        raise SceneError(
            f"token {settings.token} is no scenario of this run",
            f"names look like {table.frame.index[0]}",
        )
    own = rows[rows["token"] == settings.token].reset_index(drop=True)
    return Explanation(run, own, token=settings.token)


def _require_metric(metric: str, known: Iterable[str], why: str) -> None:
    """Raise UsageError where a metric is not known."""
    names = tuple(known)
    if metric not in names:
        raise UsageError(
            f"metric={metric} is {why}",
            did_you_mean(
                metric,
                names,
                f"use one of {', '.join(names)}; {VARIABLE}=MODULE brings one of your own",
                "metric={}",
            ),
        )


def explain_token(run: Run, token: str) -> Explanation:
    """Explain one scene, with the scores of every variant that was tried.

    Raises:
        ReWorldError: the run has no trajectory of it, or the scene cannot be scored.
    """
    plan, protocol = run.plan(token), run.table.protocol
    interval = run.intervals.get(token)
    scene = SceneTask(token, plan.ravel(), np.nan, interval)
    found, problems = explain_chunk(ExplainTask(run.caches, (scene,), protocol.name))
    if problems:
        raise DataError(f"token {token}: {problems[0][1]}")
    changed = dense(plan, interval)
    tried, results, _ = try_variants(run.caches.get(token), changed, protocol.name)
    values = {short_name(name): results[name] for name in (*protocol.explained, SCORE)}
    table = pd.DataFrame(values, index=[variant.text for variant in tried])
    return Explanation(run, found.to_pandas(), token=token, tried=table)


def explain_run(
    run: Run, metric: str | None = None, workers: int | None = None, most: int | None = None
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Explain every failed scene.

    Args:
        run: its tables.
        metric: short name of the only metric to explain.
        workers: processes; None takes one for each core where there is much to do.
        most: explain no more than a random choice of so many failed scenes.

    Returns:
        One row a failure (columns of `explain.SCHEMA`), worst scenes first, and (token, reason)
        of scenes that could not be explained.
    """
    failed, problems = _failed(run, metric)
    if most is not None and len(failed) > most:
        chosen = np.random.default_rng(0).choice(len(failed), most, replace=False)
        failed = [failed[i] for i in sorted(chosen.tolist())]
    name = run.table.protocol.name
    tasks = [
        ExplainTask(run.caches, tuple(failed[i : i + _CHUNK]), protocol=name)
        for i in range(0, len(failed), _CHUNK)
    ]
    worker = "processes" if workers or len(failed) >= _WORTH_A_POOL else "sequential"
    parts = [SCHEMA.empty_table()]
    with tqdm(total=len(failed), desc="explaining", unit="scene", delay=2.0) as progress:
        for part, reasons in run_tasks(explain_chunk, tasks, worker, workers):
            parts.append(part)
            problems += reasons
            progress.update(min(_CHUNK, len(failed) - progress.n))
    rows = pa.concat_tables(parts).to_pandas()
    if metric is not None:
        rows = rows[rows["metric"] == metric]
    explained = run.table.protocol.explained
    order = {short_name(name): place for place, name in enumerate(explained)}
    rows["place"] = rows["metric"].map(order)
    rows = rows.sort_values(["score", "token", "place"], ignore_index=True)
    return rows.drop(columns="place"), problems


def _failed(run: Run, metric: str | None) -> tuple[list[SceneTask], list[tuple[str, str]]]:
    """Failed scenes of the run's table, and those that have a score and no trajectory."""
    tasks, problems = [], []
    for token, scores in zip(run.table.frame.index, _records(run.table.frame), strict=True):
        names = failed_metrics(scores, protocol=run.table.protocol.name)
        if not names or (metric is not None and metric not in names):
            continue
        if token not in run.poses.index:
            problems.append((str(token), "it has a score and no row in trajectories.parquet"))
            continue
        poses = np.asarray(run.poses[token], np.float64)
        tasks.append(SceneTask(str(token), poses, scores[SCORE], run.intervals.get(str(token))))
    return tasks, problems


def _records(frame: pd.DataFrame) -> Iterator[dict[str, float]]:
    names = [str(name) for name in frame]
    for values in frame.itertuples(index=False, name=None):
        yield dict(zip(names, values, strict=True))
