"""Scoring what a submission holds, as far as the data on this machine allow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.findings import FAIL, OK, WARN, Finding
from reworld_agent.core.shards import PartStore
from reworld_agent.evaluation.scoring import ROW_KEYS, score_trajectories
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics.table import OFFICIAL_PROTOCOLS
from reworld_agent.pdm.poses import INTERVAL
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.submission.contents import SYNTHETIC_TOKEN_LENGTH, Plan, Submission

PROTOCOLS = {rules.navsim: rules for rules in OFFICIAL_PROTOCOLS}  # by version
_FIRST_STAGE = ", first stage alone, log replay, without EC"
_SAME = 1e-6
_NAME = "score"


def rescore(
    submission: Submission, data_split: str, parts: Path, table: pd.DataFrame | None = None
) -> Iterator[Finding]:
    """Score the logged scenes with the numbers that stand in the file.

    Args:
        submission: its first seed is scored.
        data_split: folder of logs.
        parts: folder for finished rows, removed at the end; a run that is cut short goes on.
        table: score table of the run that it was built from, to compare.
    """
    key, *others = submission.stages
    plans = submission.stages[key][0]
    logged = {t: plan for t, plan in plans.items() if len(t) != SYNTHETIC_TOKEN_LENGTH}
    left = len(plans) - len(logged) + sum(len(s) for k in others for s in submission.stages[k][:1])
    try:
        rows = _scores(logged, submission.version, data_split, parts)
    except ReWorldError as error:
        what = f"not scored again: {error.message}"
        yield Finding(_NAME, WARN, what, error.hint or "the checks above stand without it")
        return
    scored = rows[rows["reason"] == ""]
    reasons = rows.loc[rows["reason"] != "", "reason"]
    if len(scored):
        mean = scored["score"].mean()
        what = f"{mean:.6f} over {len(scored):,} scenes ({_title(submission.version)})"
        yield _compared(what, scored, table)
    if len(reasons):
        what = f"{len(reasons):,} scenes cannot be scored here: {reasons.iloc[0]}"
        yield Finding(_NAME, WARN, what, "a private split has no annotations: the server scores it")
    if left:
        what = f"{left:,} synthetic scenes are not scored again here"
        yield Finding("second stage score", OK, f"{what}: reworld score two_stage=true does")


def _title(version: str) -> str:
    """What is scored, in words."""
    rules = PROTOCOLS[version]
    return f"{rules.total} of v{version}" + (_FIRST_STAGE if rules.optional else "")


def _scores(plans: dict[str, Plan], version: str, data_split: str, parts: Path) -> pd.DataFrame:
    roots = resolve_split(data_split, ())
    caches = SceneCaches(roots.data_root, roots.maps_root, roots.data_split)
    rows = {"token": list(plans), "candidate": "submission"}
    poses = [np.asarray(plan.poses, np.float64).ravel() for plan in plans.values()]
    intervals = [plan.interval_s for plan in plans.values()]
    table = pd.DataFrame({**rows, "poses": pd.Series(poses, dtype=object), INTERVAL: intervals})
    store = PartStore(parts, ROW_KEYS, {}, resume=True)
    scored = score_trajectories(table, caches, store, PROTOCOLS[version].name)
    shutil.rmtree(parts, ignore_errors=True)
    return scored


def _compared(what: str, scored: pd.DataFrame, table: pd.DataFrame | None) -> Finding:
    """The new scores beside those of the run's own table."""
    if table is None:
        return Finding(_NAME, OK, what)
    both = scored.merge(table[["token", "score"]], on="token", suffixes=("", "_table"))
    change = (both["score"] - both["score_table"]).abs()
    other = both.loc[~(change <= _SAME), "token"]
    if len(other):
        what += f"; {len(other):,} scenes score otherwise in the run's table, first {other.iloc[0]}"
        fix = "the run was scored by other code or data: score it again"
        return Finding(_NAME, FAIL, what, fix)
    return Finding(_NAME, OK, f"{what}, as in the run's table")
