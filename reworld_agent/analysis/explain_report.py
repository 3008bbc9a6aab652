"""`reworld explain RUN`: which scenes of a run failed, and why, in a table and in words."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from reworld_agent.analysis.explain import (
    EP_BELOW,
    METRICS,
    SCHEMA,
    ExplainTask,
    SceneTask,
    explain_chunk,
    failed_metrics,
    try_variants,
)
from reworld_agent.analysis.protocols import PDMS_V1, SCORE, SHORT
from reworld_agent.analysis.raw_tables import open_table
from reworld_agent.analysis.tables_io import ScoreTable, read_table
from reworld_agent.analysis.variants import dense
from reworld_agent.errors import ConfigError, DataError, ReWorldError
from reworld_agent.evaluation.files import write_csv, write_parquet
from reworld_agent.evaluation.provenance import code_version
from reworld_agent.evaluation.scene_caches import SceneCaches
from reworld_agent.evaluation.workers import run_tasks
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.words import Words, parse, shown

USAGE = "reworld explain RUN [token=TOKEN] [metric=NC|DAC|TTC|EP|Comf] [show=N] [output=DIR]"
HELP = f"""{USAGE}

Why did scenes fail? From a run's tables alone: RUN is the output folder of run_pdm_score.py, or
an agent's folder in it.

  token=TOKEN       one scene, with everything that was tried
  metric=NAME       only failures of {" | ".join(METRICS)} (EP: below {EP_BELOW})
  show=N            sentences to print, worst scenes first (20)
  output=DIR        where explanations.parquet and .csv go (default: RUN)
  data_root=DIR, maps_root=DIR, data_split=NAME
                    where the run's scenes lie, if not where they were
  cache_dir=DIR     folder of scene caches
  workers=N         processes (default: one for each core)

example: reworld explain outputs/pdm_score/2026.11.21.13.08.27 metric=NC

exit codes: 0 all failures explained (or none); 1 refused, or some scenes could not be explained;
2 wrong usage.
"""
_KNOWN = (
    *("token", "metric", "show", "output", "data_root", "maps_root", "data_split", "cache_dir"),
    "workers",
)
_CHUNK = 16  # scenes a task
_WORTH_A_POOL = 200  # scenes; starting processes costs seconds
_GROUPS = {  # what is counted by, and what its bins are sorted by
    "command": None,
    "speed": "speed_mps",
    "curvature": "curvature_1pm",
    "density": "objects_near",
    "city": None,
}


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    if not arguments or {"-h", "--help", "help"} & set(arguments):
        print(HELP)
        return 0 if arguments else 2
    try:
        words = parse(arguments, _KNOWN, USAGE)
        if len(words.plain) != 1:
            raise ConfigError(f"explain takes one run, not {len(words.plain)}", USAGE)
        metric = words.choice("metric", tuple(METRICS))
        run = open_run(Path(words.plain[0]), words)
        if "token" in words.settings:
            return _one(run, words.settings["token"])
        workers = words.number("workers", 1) if "workers" in words.settings else None
        rows, problems = explain_run(run, metric, workers)
        print(report(run, rows, problems, words.number("show", 20)))
        output = words.path("output") or run.table.path.parent
        print(f"written: {', '.join(shown(path) for path in write(run, rows, output))}")
    except ReWorldError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if problems else 0


def explain_run(
    run: Run, metric: str | None = None, workers: int | None = None
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Explain every failed scene.

    Args:
        run: its tables.
        metric: short name of the only metric to explain.
        workers: processes; None takes one for each core where there is much to do.

    Returns:
        One row a failure (columns of `explain.SCHEMA`), worst scenes first, and (token, reason)
        of scenes that could not be explained.
    """
    failed, problems = _failed(run, metric)
    tasks = [
        ExplainTask(run.caches, tuple(failed[i : i + _CHUNK]))
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
    order = {short: place for place, short in enumerate(METRICS)}
    rows["place"] = rows["metric"].map(order)
    rows = rows.sort_values(["score", "token", "place"], ignore_index=True)
    return rows.drop(columns="place"), problems


def _failed(run: Run, metric: str | None) -> tuple[list[SceneTask], list[tuple[str, str]]]:
    """Failed scenes of the run's table, and those that have a score and no trajectory."""
    tasks, problems = [], []
    for token, scores in zip(run.table.frame.index, _records(run.table.frame), strict=True):
        names = failed_metrics(scores)
        if not names or (metric is not None and metric not in names):
            continue
        if token not in run.poses.index:
            problems.append((str(token), "it has a score and no row in trajectories.parquet"))
            continue
        poses = np.asarray(run.poses[token], np.float64)
        tasks.append(SceneTask(str(token), poses, scores[SCORE]))
    return tasks, problems


def _records(frame: pd.DataFrame) -> Iterator[dict[str, float]]:
    names = [str(name) for name in frame]
    for values in frame.itertuples(index=False, name=None):
        yield dict(zip(names, values, strict=True))


def report(
    run: Run, rows: pd.DataFrame, problems: Sequence[tuple[str, str]], show: int = 20
) -> str:
    """What is printed: counts by class and circumstance, sentences of the worst scenes."""
    decisive = rows.drop_duplicates("token")
    scored = int(run.table.frame[SCORE].notna().sum())
    unscored = len(run.table.frame) - scored
    lines = [
        f"{run.table.label}, {run.table.protocol.title} ({run.table.protocol.name}), "
        f"split {run.caches.data_split}: {len(decisive):,} of {scored:,} scenes explained",
    ]
    if unscored:
        lines.append(f"note: {unscored} scenes have no score (see failures.csv of the run)")
    if rows.empty and not problems:
        return "\n".join([*lines, "no scene fails"])
    if len(rows):
        counts = pd.crosstab(rows["class"], rows["metric"])
        counts = counts.reindex(columns=[name for name in METRICS if name in counts])
        counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False).index]
        lines += ["", "failures by class", counts.rename_axis(columns=None).to_string(), ""]
        lines += [f"{name}: {_counts(decisive, name, by)}" for name, by in _GROUPS.items()]
        lines += [""]
    for row in decisive.head(show).to_dict("records"):
        lines.append(f"{row['token']}  {row['score']:.2f}  [{row['class']}] {row['sentence']}")
    if len(decisive) > show:
        lines.append(f"... {len(decisive) - show} more: show={len(decisive)}, or the table")
    changed = decisive[(decisive["score"] - decisive["table_score"]).abs() > 1e-6]
    if len(changed):
        lines.append(
            f"WARNING: {len(changed)} scenes score otherwise now than in the run's table (first "
            f"{changed['token'].iloc[0]}): it was made by another version, or the data changed"
        )
    for reason in dict.fromkeys(reason for _, reason in problems):
        tokens = [token for token, own in problems if own == reason]
        lines.append(f"ERROR: not explained: {len(tokens)} ({tokens[0]} ...): {reason}")
    return "\n".join(lines)


def _counts(rows: pd.DataFrame, name: str, by: str | None) -> str:
    counts = rows[name].value_counts()
    if by is not None:
        counts = counts.loc[rows.groupby(name)[by].min().sort_values().index]
    return ", ".join(f"{value} {count}" for value, count in counts.items())


def write(run: Run, rows: pd.DataFrame, output: Path) -> tuple[Path, Path]:
    """Write `explanations.parquet` and its csv twin.

    Raises:
        DataError: the folder cannot be written.
    """
    origin: dict[str, Any] = {
        **run.table.provenance,
        "explained_by": code_version(),
        "ep_below": EP_BELOW,
    }
    parquet, csv = output / "explanations.parquet", output / "explanations.csv"
    try:
        write_parquet(parquet, rows, origin)
        write_csv(csv, rows)
    except DataError as error:
        raise DataError(error.message, "say output=<a folder you may write to>") from error
    return parquet, csv


def _one(run: Run, token: str) -> int:
    """Print all about one scene."""
    if token not in run.table.frame.index or token not in run.poses.index:
        raise DataError(
            f"{shown(run.table.path)}: token {token} has no score or no trajectory",
            f"tokens look like {run.table.frame.index[0]}",
        )
    poses = np.asarray(run.poses[token], np.float64)
    task = ExplainTask(run.caches, (SceneTask(token, poses, np.nan),))
    rows, problems = explain_chunk(task)
    if problems:
        raise DataError(f"token {token}: {problems[0][1]}")
    found = rows.to_pylist()
    print(f"{token}: {'passes every metric' if not found else ''}".rstrip(": "))
    for row in found:
        print(f"  [{row['class']}] {row['sentence']}")
    tried, results, _ = try_variants(run.caches.get(token), dense(poses.reshape(-1, 3)))
    values = {short: results[name] for short, name in (*METRICS.items(), ("score", SCORE))}
    table = pd.DataFrame(values, index=[variant.text for variant in tried])
    print(table.to_string(float_format=lambda value: f"{value:.2f}"))
    return 0
