"""`reworld explain RUN`: which scenes of a run failed, and why, in a table and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from reworld_agent.analysis.explanation.counterfactuals import dense
from reworld_agent.analysis.explanation.explain import (
    EP_BELOW,
    METRICS,
    SCHEMA,
    ExplainTask,
    SceneTask,
    explain_chunk,
    failed_metrics,
    try_variants,
)
from reworld_agent.analysis.figures.charts import GROUPS
from reworld_agent.analysis.figures.gallery import write_gallery
from reworld_agent.analysis.figures.picture import write_picture
from reworld_agent.analysis.tables.protocols import EXTENDED_COMFORT, SCORE, SHORT
from reworld_agent.analysis.tables.runs import WHERE, WHERE_HELP, Run, open_run
from reworld_agent.core.arguments import Words, run_command
from reworld_agent.core.errors import ConfigError, DataError, UsageError
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.core.text import shown
from reworld_agent.core.workers import run_tasks

USAGE = "reworld explain RUN [token=TOKEN [picture=FILE]] [metric=NAME] [pictures=true] [show=N]"
HELP = f"""{USAGE}

Why did scenes fail? From a run's tables alone: RUN is the output folder of run_pdm_score.py, or
an agent's folder in it.

  token=TOKEN       one scene, with everything that was tried
  picture=FILE      of that scene: .png, .jpg, .webp, .pdf, .svg; .gif and .mp4 show its 4 s
  metric=NAME       only failures of {" | ".join(METRICS)} (EP: below {EP_BELOW})
  show=N            sentences to print, worst scenes first (20)
  pictures=true     also a picture of each scene that is shown, in the folder `pictures` of output
  output=DIR        where explanations.parquet and .csv go (default: RUN)
  workers=N         processes (default: one for each core)
{WHERE_HELP}

examples: reworld explain outputs/pdm_score/2026.11.21.13.08.27 metric=NC pictures=true
          reworld explain outputs/pdm_score/2026.11.21.13.08.27 token=d29c3bf01629ee6e \\
              picture=why.png

exit codes: 0 all failures explained (or none); 1 refused, or some scenes could not be explained;
2 wrong usage.
"""
_KNOWN = ("token", "picture", "metric", "show", "pictures", "output", "workers", *WHERE)
_CHUNK = 16  # scenes a task
_WORTH_A_POOL = 200  # scenes; starting processes costs seconds


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    return run_command(arguments, HELP, _KNOWN, _explain)


def _explain(words: Words) -> int:
    if len(words.plain) != 1:
        raise UsageError(f"explain takes one run, not {len(words.plain)}", USAGE)
    run = open_run(Path(words.plain[0]), words)
    if "token" in words.settings:
        return _one(run, words.settings["token"], words.path("picture"))
    problems = _all(run, words)
    return 1 if problems else 0


def _all(run: Run, words: Words) -> list[tuple[str, str]]:
    """Explain a run, print and write; what could not be explained."""
    explained = [SHORT[name] for name in run.table.protocol.explained]
    metric, show = words.choice("metric", explained), words.number("show", 20)
    if "picture" in words.settings:
        raise ConfigError("picture= is of one scene", "say token=TOKEN, or pictures=true")
    workers = words.number("workers", 1) if "workers" in words.settings else None
    rows, problems = explain_run(run, metric, workers)
    print(report(run, rows, problems, show))
    output = words.path("output") or run.table.path.parent
    written = list(write(run, rows, output))
    if words.flag("pictures"):
        made, unpictured = write_gallery(run, rows, output / "pictures", show, workers)
        written += [made]
        problems += unpictured
    print(f"written: {', '.join(shown(path) for path in written)}")
    return problems


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
    order = {short: place for place, short in enumerate(METRICS)}
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
        lines += [
            f"{name}: {_counts(decisive, name, by)}"
            for name, by in GROUPS.items()
            if name != "class"
        ]
        lines += [""]
    for row in decisive.head(show).to_dict("records"):
        lines.append(f"{row['token']}  {row['score']:.2f}  [{row['class']}] {row['sentence']}")
    if len(decisive) > show:
        lines.append(f"... {len(decisive) - show} more: show={len(decisive)}, or the table")
    changed = scored_otherwise(run, decisive)
    if len(changed):
        lines.append(
            f"WARNING: {len(changed)} scenes score otherwise now than in the run's table (first "
            f"{changed['token'].iloc[0]}): it was made by another version, or the data changed"
        )
    for reason in dict.fromkeys(reason for _, reason in problems):
        tokens = [token for token, own in problems if own == reason]
        lines.append(f"ERROR: not explained: {len(tokens)} ({tokens[0]} ...): {reason}")
    return "\n".join(lines)


def scored_otherwise(run: Run, decisive: pd.DataFrame) -> pd.DataFrame:
    """Explained scenes whose score is not that of the run's table. With EC in it (which needs two
    frames) the table's score cannot be had from one scene, and none is named."""
    if EXTENDED_COMFORT in run.table.frame:
        return decisive.head(0)
    return decisive[(decisive["score"] - decisive["table_score"]).abs() > 1e-6]


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


def _one(run: Run, token: str, picture: Path | None) -> int:
    """Print all about one scene; draw it where a file is named."""
    plan, protocol = run.plan(token), run.table.protocol
    task = ExplainTask(
        run.caches, (SceneTask(token, plan.ravel(), np.nan),), EP_BELOW, protocol.name
    )
    rows, problems = explain_chunk(task)
    if problems:
        raise DataError(f"token {token}: {problems[0][1]}")
    found = rows.to_pylist()
    print(f"{token}: {'passes every metric' if not found else ''}".rstrip(": "))
    for row in found:
        print(f"  [{row['class']}] {row['sentence']}")
    tried, results, _ = try_variants(run.caches.get(token), dense(plan), protocol.name)
    values = {SHORT[name]: results[name] for name in (*protocol.explained, SCORE)}
    table = pd.DataFrame(values, index=[variant.text for variant in tried])
    print(table.to_string(float_format=lambda value: f"{value:.2f}"))
    if picture is not None:
        print(f"written: {shown(write_picture(run, token, picture, found))}")
    return 0
