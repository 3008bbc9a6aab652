"""One agent's plan of a scene, driven by the simulator: where it is, what decides each metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.analysis.explanation.annotation import annotation_of
from reworld_agent.analysis.explanation.counterfactuals import dense, variants
from reworld_agent.analysis.explanation.explain import explain_scene
from reworld_agent.analysis.player.packing import pack_path, pack_poses, pack_values
from reworld_agent.analysis.tables.runs import Run
from reworld_agent.pdm.metrics import SCORE, Metric, metric, short_name
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, VX, VY, X, Y
from reworld_agent.pdm.simulate.rollout import rollout
from reworld_agent.pdm.world.ego_frame import poses_to_ego

Array = NDArray[np.float64]
Row = Mapping[str, Any]
_POSE = [X, Y, HEADING]


@dataclass(frozen=True)
class Drive:
    """One agent in one scene.

    Attributes:
        label: of its run.
        states: [41, 11] as simulated, global.
        packed: what the page reads.
        rows: its failures, worst first.
    """

    label: str
    states: Array
    packed: dict[str, Any]
    rows: tuple[Row, ...]


def pack_drive(run: Run, token: str, cache: SceneCache, rows: Sequence[Row] | None = None) -> Drive:
    """One agent's drive of a scene.

    Args:
        run: of `runs.open_run`.
        token: the scene.
        cache: the same scene.
        rows: its failures where they are known, else they are found.

    Raises:
        ReWorldError: the run has no plan of it, or the plan cannot be scored.
    """
    poses, interval = run.plan(token), run.intervals.get(token)
    protocol = run.table.protocol
    if rows is None:
        rows = explain_scene(cache, poses, protocol.name, interval)
    states: Array = rollout(cache, poses[None], interval)[0]
    scores = run.scores(token)
    explained = (metric(name) for name in protocol.explained)
    packed = {
        "label": run.table.label,
        "poses": pack_poses(ego_poses(cache, states)),
        "asked": pack_path(poses[:, :2]),
        "speed": pack_values(np.hypot(states[:, VX], states[:, VY]), 2),
        "score": _number(scores.get(short_name(SCORE))),
        "metrics": [_metric(row, cache, states, scores, rows) for row in explained],
        "counterfactual": _counterfactual(cache, dense(poses, interval), rows),
    }
    return Drive(run.table.label, states, packed, tuple(rows))


def ego_poses(cache: SceneCache, states: Array) -> Array:
    """Poses [41, 3] in the ego frame of t0 of global states [41, 11]."""
    return poses_to_ego(states[:, _POSE], cache.ego_state[:3])


def _metric(
    row: Metric, cache: SceneCache, states: Array, scores: Mapping[str, float], rows: Sequence[Row]
) -> dict[str, Any]:
    """A metric over time, and where it fails."""
    failure = next((own for own in rows if own["metric"] == row.short), None)
    packed: dict[str, Any] = {
        "short": row.short,
        "title": row.title,
        "value": _number(scores.get(row.short)),
        "failed": _failed(cache, states, failure) if failure is not None else None,
    }
    if row.explainer is None or row.explainer.trace is None:
        return {**packed, "trace": None}
    trace = row.explainer.trace(cache, states)
    packed["trace"] = {
        "values": pack_values(trace.values),
        "what": trace.what,
        "unit": trace.unit,
        "bound": _number(trace.bound),
        "above": trace.fails_above,
        "reference": None if trace.reference is None else pack_values(trace.reference),
    }
    return packed


def _failed(cache: SceneCache, states: Array, row: Row) -> dict[str, Any]:
    """When, with which object, corner or bound a metric fails."""
    mark = annotation_of(cache, states, row)
    track = None if mark.track is None else str(cache.track_token[mark.track])
    point = None if mark.point is None else pack_path(mark.point[None])
    return {
        "step": mark.step,
        "text": mark.text,
        "track": track,
        "point": point,
        "aheadSteps": mark.ahead_steps,
        "aheadM": round(mark.ahead_m, 2),
        "sentence": str(row["sentence"]),
        "time": _number(float(row["failure_time_s"])),
    }


def _counterfactual(cache: SceneCache, plan: Array, rows: Sequence[Row]) -> dict[str, Any] | None:
    """The smallest change of the plan that passes what costs most, as simulated."""
    if not rows or not rows[0]["counterfactual"]:
        return None
    wanted = rows[0]["counterfactual_family"], rows[0]["counterfactual_amount"]
    found = [own for own in variants(plan) if (own.family, own.amount) == wanted]
    if not found:
        return None
    states = rollout(cache, found[0].poses[None], 0.1)[0]
    return {
        "text": found[0].text,
        "score": _number(rows[0]["counterfactual_score"]),
        "poses": pack_poses(ego_poses(cache, states)),
        "speed": pack_values(np.hypot(states[:, VX], states[:, VY]), 2),
    }


def _number(value: float | None) -> float | None:
    return round(float(value), 6) if value is not None and np.isfinite(value) else None
