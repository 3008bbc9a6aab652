"""Why did a scene fail? Attributes, class and counterfactual of each failed metric of one scene.

Works from a scene cache and a plan alone: any planner's, without the planner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reworld_agent import pdm
from reworld_agent.analysis.explanation.counterfactuals import Variant, dense, variants
from reworld_agent.analysis.explanation.traits import traits
from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.vocabulary import PDMS_V1
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics import SCORE, Failure, Metric, metric, metrics, protocols
from reworld_agent.pdm.metrics import protocol as rules_of
from reworld_agent.pdm.poses import pose_fault
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.rollout import rollout

Array = NDArray[np.float64]
AMBIGUOUS = "reference ambiguity"
_NAMED = 2  # counterfactuals in a sentence

_TEXT = (
    *("token", "log_name", "metric"),
    *("class", "mechanism", "detail", "near", "object_token", "object_class"),
    *("counterfactual", "counterfactual_family"),
    *("command", "speed", "curvature", "density", "city", "sentence"),
)
_NUMBERS = (
    *("value", "score", "table_score", "human_fails", "failure_time_s"),
    *("closing_mps", "distance_outside_m", "excess", "progress_m", "pdm_closed_progress_m"),
    *("counterfactual_amount", "counterfactual_score", "speed_mps", "curvature_1pm"),
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXT),
        *((name, pa.float64()) for name in _NUMBERS),
        ("decisive", pa.bool_()),
        ("variants_tried", pa.int64()),
        ("objects_near", pa.int64()),
    ]
)
"""Columns of `explanations.parquet`: one row a failed metric; `decisive` marks one row a scene."""
GROUPS: dict[str, str | None] = {
    "class": None,
    "command": None,
    "speed": "speed_mps",
    "curvature": "curvature_1pm",
    "density": "objects_near",
    "city": None,
}
"""Columns by which failures are counted, and the column that the bins of each are sorted by."""


@dataclass(frozen=True)
class SceneTask:
    """One failed scene: its token, flat poses, and the score that its table gives.

    `interval_s` is the time between poses; None where 8 are at 2 Hz or 40 at 10 Hz.
    """

    token: str
    poses: Array
    table_score: float
    interval_s: float | None = None


@dataclass(frozen=True)
class ExplainTask:
    """What one call in a worker process explains."""

    caches: SceneCaches
    scenes: tuple[SceneTask, ...]
    protocol: str = PDMS_V1


def explained_names() -> tuple[str, ...]:
    """Short names of all metrics that are explained, whatever the protocol."""
    names = (name for rules in protocols() for name in rules.explained)
    return tuple(dict.fromkeys(metric(name).short for name in names))


def failed_metrics(scores: Mapping[str, float], protocol: str = PDMS_V1) -> list[str]:
    """Short names of the metrics that failed, what costs most first.

    EP of PDMS is read only where nothing was hit and the road was kept, for it is zero otherwise.
    """
    return [row.short for row in _failed(scores, protocol)]


def _failed(scores: Mapping[str, float], protocol: str) -> list[Metric]:
    rules = rules_of(protocol)
    clean = all(scores[name] == 1.0 for name in rules.multipliers)
    rows = (metric(name) for name in rules.explained if clean or name not in rules.scaled)
    return [row for row in rows if scores[row.name] < row.bound]


def explain_chunk(task: ExplainTask) -> tuple[pa.Table, list[tuple[str, str]]]:
    """Rows of some scenes, and (token, reason) of those that could not be explained."""
    rows: list[dict[str, Any]] = []
    problems = []
    for scene in task.scenes:
        fault = pose_fault(scene.poses, scene.interval_s)
        if fault:
            problems.append((scene.token, fault))
            continue
        try:
            cache = task.caches.get(scene.token)
            poses = scene.poses.reshape(-1, 3)
            found = explain_scene(cache, poses, task.protocol, scene.interval_s)
        except ReWorldError as error:
            problems.append((scene.token, error.message))
            continue
        own = {"token": scene.token, "table_score": scene.table_score}
        rows += [{**row, **own} for row in found]
    return pa.Table.from_pylist(rows, schema=SCHEMA), problems


def explain_scene(
    cache: SceneCache,
    poses: Array,
    protocol: str = PDMS_V1,
    interval_s: float | None = None,
) -> list[dict[str, Any]]:
    """Explain one plan.

    Args:
        cache: the scene.
        poses: [8, 3] at 2 Hz or [40, 3] at 10 Hz, ego frame, m and rad; else [L, 3].
        protocol: `pdms_v1` or `epdms_v2`; of the latter without EC, which needs two frames.
        interval_s: between poses [s], where it is another.

    Returns:
        One dict (keys of `SCHEMA`) for each failed metric, what costs most first.

    Raises:
        ReWorldError: the poses or the scene cannot be scored.
    """
    own = pdm.score(cache, poses[None], protocol, explain=True, interval_s=interval_s)
    scored = _first(own)
    failed = _failed(scored, protocol)
    if not failed:
        return []
    plan = dense(poses, interval_s)
    tried, results, human = try_variants(cache, plan, protocol)
    states: Array = rollout(cache, poses[None], interval_s)[0]
    common = {
        "token": cache.token,
        "log_name": cache.log_name,
        "score": scored[SCORE],
        "table_score": np.nan,
        "progress_m": scored["progress_m"],
        "pdm_closed_progress_m": scored["pdm_closed_progress_m"],
        "variants_tried": len(tried),
        **traits(cache, plan),
    }
    rows = []
    for row in failed:
        attributes = failure_attributes(row, Failure(row.name, cache, states, scored))
        human_fails = _human_fails(row, scored, human)
        found = {
            **common,
            "metric": row.short,
            "value": scored[row.name],
            "decisive": row is failed[0],
            "human_fails": human_fails,
            **attributes,
            "class": AMBIGUOUS if human_fails == 1.0 else attributes["mechanism"],
            **_counterfactual(row, scored, tried, results),
        }
        rows.append({**found, "sentence": sentence(row, found)})
    return rows


def failure_attributes(row: Metric, failure: Failure) -> dict[str, Any]:
    """What happened when a metric failed: time, object, place, quantity, and the mechanism.

    Everything comes from the scorer's failure records and from the simulated states.

    Returns:
        failure_time_s, detail, near, object_token, object_class, closing_mps,
        distance_outside_m, excess, mechanism; "" or NaN where they do not apply.
    """
    assert row.explainer is not None
    return {
        "failure_time_s": failure.scored.get(f"{row.name}_failure_time_s", np.nan),
        **dict.fromkeys(("detail", "near", "object_token", "object_class"), ""),
        **dict.fromkeys(("closing_mps", "distance_outside_m", "excess"), np.nan),
        "mechanism": row.title,
        **row.explainer.attributes(failure),
    }


def sentence(row: Metric, found: Mapping[str, Any]) -> str:
    """One sentence for a failure: what happened, whether the human did better, what would help.

    Args:
        row: the metric.
        found: columns of `SCHEMA` before `sentence`.
    """
    assert row.explainer is not None
    human, change = "", f"{found['counterfactual']} passes"
    if not np.isnan(found["human_fails"]):
        human = "the human fails too" if found["human_fails"] else "the human would not have"
    if not found["counterfactual"]:
        change = f"none of {found['variants_tried']} small changes passes"
    reason = f"{row.short} {found['value']:.2g}: {row.explainer.sentence(found)}"
    return "; ".join(part for part in (reason, human, change) if part)


def _human_fails(row: Metric, scored: Mapping[str, Any], human: Mapping[str, float]) -> float:
    """1 or 0, NaN where it is not known whether the logged driver fails the metric too."""
    record = scored.get(f"{row.name}_human_fails")
    if not row.human_known:
        return np.nan
    if row.allowed and record is not None:
        return float(record)
    own = human.get(row.name, np.nan)
    return float(own < row.bound) if np.isfinite(own) else np.nan


def try_variants(
    cache: SceneCache, plan: Array, protocol: str = PDMS_V1
) -> tuple[list[Variant], dict[str, Array], dict[str, float]]:
    """Variants of a plan [41, 3], their columns [V], and the logged driver's.

    The last is empty without a logged future.
    """
    tried = variants(plan)
    batch = [variant.poses for variant in tried]
    knows_human = cache.human_poses.shape == (8, 3) and np.isfinite(cache.human_poses).all()
    if knows_human:
        batch.append(dense(np.array(cache.human_poses))[1:])
    results = pdm.score(cache, np.stack(batch), protocol)
    human = {name: float(values[-1]) for name, values in results.items() if knows_human}
    return tried, {name: values[: len(tried)] for name, values in results.items()}, human


def _first(records: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {name: values[0].item() for name, values in records.items()}


def _counterfactual(
    row: Metric,
    scored: Mapping[str, Any],
    tried: Sequence[Variant],
    results: Mapping[str, Array],
) -> dict[str, Any]:
    """The smallest changes, at most one of a family, that fix the metric and break no other."""
    fixes = results[row.name] >= row.bound
    for other in results:
        if other in _safety_metrics():
            fixes = fixes & (results[other] >= scored[other])
    found = list(_smallest(row, tried, fixes))[:_NAMED]
    if not found:
        return {
            "counterfactual": "",
            "counterfactual_family": "",
            "counterfactual_amount": np.nan,
            "counterfactual_score": np.nan,
        }
    best = tried[found[0]]
    return {
        "counterfactual": " or ".join(tried[index].text for index in found),
        "counterfactual_family": best.family,
        "counterfactual_amount": best.amount,
        "counterfactual_score": float(results[SCORE][found[0]]),
    }


def _safety_metrics() -> frozenset[str]:
    """Columns of the metrics that no change of a plan may lose."""
    return frozenset(row.name for row in metrics() if row.safety)


def _smallest(row: Metric, tried: Sequence[Variant], fixes: NDArray[np.bool_]) -> Iterator[int]:
    """Number of the first variant of each family that fixes."""
    assert row.explainer is not None
    for family in row.explainer.changes:
        for index, variant in enumerate(tried):
            if variant.family == family and fixes[index]:
                yield index
                break
