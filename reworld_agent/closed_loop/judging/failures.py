"""Why a driven scenario lost what it lost: rows as `reworld explain` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from reworld_agent.analysis.explanation.explain import SCHEMA, failure_attributes
from reworld_agent.analysis.explanation.traits import traits
from reworld_agent.closed_loop.judging.verdict import Verdict
from reworld_agent.closed_loop.judging.windows import Window
from reworld_agent.closed_loop.stage import TICK
from reworld_agent.pdm.metrics import SCORE, Failure, Metric, metric
from reworld_agent.pdm.metrics.progress import mechanism
from reworld_agent.pdm.metrics.records import Names
from reworld_agent.pdm.metrics.situations import OFF_ROUTE, RED_LIGHT
from reworld_agent.pdm.metrics.table import DRIVE, EP, TLC
from reworld_agent.pdm.protocols.records import failure_records
from reworld_agent.pdm.world.ego_frame import poses_to_ego

_TEXT = {name: "" for name in SCHEMA.names if str(SCHEMA.field(name).type) == "string"}
_NUMBERS = {name: np.nan for name in SCHEMA.names if str(SCHEMA.field(name).type) == "double"}


def failures(verdict: Verdict, name: str, log: str) -> list[dict[str, Any]]:
    """A row (columns of `analysis.explanation.explain.SCHEMA`) a metric lost, the dearest first.

    Times are seconds since the scenario began. No changes are tried: nobody knows how the others
    would have answered.

    Args:
        verdict: of the scenario.
        name, log: of the scenario, and of its log.
    """
    rows: list[dict[str, Any]] = []
    for column in DRIVE.explained:
        row = metric(column)
        value = verdict.values[column]
        if value >= row.bound or not verdict.windows:
            continue
        window, found = _found(verdict, row)
        common = {
            **_TEXT,
            **_NUMBERS,
            "token": name,
            "log_name": log,
            "metric": row.short,
            "value": value,
            "score": verdict.values[SCORE],
            "table_score": verdict.values[SCORE],
            "progress_m": verdict.more["progress_m"],
            "variants_tried": 0,
            "decisive": not rows,
            **traits(window.cache, poses_to_ego(window.states[:, :3], window.states[0, :3])),
        }
        whole = {**common, **found, "class": found["mechanism"]}
        rows.append({**whole, "sentence": f"{row.short} {value:.2g}: {_sentence(row, whole)}"})
    return rows


def _found(verdict: Verdict, row: Metric) -> tuple[Window, dict[str, Any]]:
    """The window in which a metric is lost, and what happened in it."""
    if row is TLC and verdict.red is not None:
        tick, light = verdict.red
        window = next(own for own in reversed(verdict.windows) if own.start <= tick)
        met: dict[str, Any] = {
            "failure_time_s": round(tick * TICK, 1),
            "detail": light,
            "mechanism": RED_LIGHT,
        }
        return window, met
    if row is EP:
        window = min(verdict.windows, key=lambda own: float(own.raw["progress"][0]))
        part = verdict.more["recorded_m"] / len(verdict.windows)
        own = float(window.raw["progress"][0])
        return window, {"mechanism": mechanism(window.cache, window.states, own, part)}
    losing = next(_losing(verdict, row), None)
    if losing is None:  # what it lost by lies outside all windows
        return verdict.windows[-1], {"mechanism": OFF_ROUTE}
    window = losing
    columns = failure_records(DRIVE, window.raw, Names.of(window.cache))
    scored = {name: values[0].item() for name, values in columns.items()}
    found = failure_attributes(row, Failure(row.name, window.cache, window.states, scored))
    found["failure_time_s"] = round(found["failure_time_s"] + window.start * TICK, 1)
    return window, found


def _losing(verdict: Verdict, row: Metric) -> Iterator[Window]:
    """Windows with the value that counts, the first one first."""
    for window in verdict.windows:
        if float(DRIVE.values(window.raw)[row.name][0]) == verdict.values[row.name]:
            yield window


def _sentence(row: Metric, found: dict[str, Any]) -> str:
    if row is EP:
        own, share = found["progress_m"], found["value"]
        return f"came {own:.0f} m, {100 * share:.0f} % of the recorded driver's way"
    if not np.isfinite(found["failure_time_s"]):
        return "left every road of the map"
    assert row.explainer is not None
    return row.explainer.sentence(found)
