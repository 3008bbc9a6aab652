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
from reworld_agent.analysis.explanation import classes, situations
from reworld_agent.analysis.explanation.attributes import failure_attributes
from reworld_agent.analysis.explanation.counterfactuals import (
    BRAKE,
    EARLIER,
    SHIFT,
    SMOOTH,
    SPEED,
    Variant,
    dense,
    variants,
)
from reworld_agent.analysis.explanation.sentences import sentence
from reworld_agent.analysis.tables.protocols import (
    DAC,
    DDC,
    EP,
    NC,
    PDMS_V1,
    PROTOCOLS,
    SCORE,
    SHORT,
    TLC,
    TTC,
)
from reworld_agent.core.errors import ReWorldError
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.poses import pose_fault
from reworld_agent.pdm.scene_cache import SceneCache

Array = NDArray[np.float64]
EP_BELOW = 0.5
METRICS = {SHORT[name]: name for item in PROTOCOLS.values() for name in item.explained}
"""Column of each metric that is explained, by its short name."""

_SAFE = (NC, DAC, TTC, DDC, TLC)  # a counterfactual must not lose any of these
_V1 = PDMS_V1.name
_FAMILIES = {
    "NC": (EARLIER, BRAKE, SPEED, SHIFT),
    "TTC": (EARLIER, BRAKE, SPEED, SHIFT),
    "DAC": (SHIFT, SPEED, EARLIER, BRAKE, SMOOTH),
    "DDC": (SHIFT, SPEED, EARLIER, BRAKE),
    "TLC": (EARLIER, BRAKE),
    "LK": (SHIFT, SMOOTH, SPEED),
    "HC": (SMOOTH, SPEED, EARLIER, BRAKE),
    "EP": (SPEED, SHIFT),
    "Comf": (SMOOTH, SPEED, EARLIER, BRAKE),
}
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
    """One failed scene: its token, poses (24 or 120 numbers) and the score that its table gives."""

    token: str
    poses: Array
    table_score: float


@dataclass(frozen=True)
class ExplainTask:
    """What one call in a worker process explains."""

    caches: SceneCaches
    scenes: tuple[SceneTask, ...]
    ep_below: float = EP_BELOW
    protocol: str = _V1


def failed_metrics(
    scores: Mapping[str, float], ep_below: float = EP_BELOW, protocol: str = _V1
) -> list[str]:
    """Short names of the metrics that failed, what costs most first.

    EP of PDMS is read only where nothing was hit and the road was kept, for it is zero otherwise.
    """
    clean = protocol != _V1 or (scores[NC] == 1.0 and scores[DAC] == 1.0)
    failed = []
    for name in PROTOCOLS[protocol].explained:
        bad = clean and scores[name] < ep_below if name == EP else scores[name] < 1.0
        if bad:
            failed.append(SHORT[name])
    return failed


def explain_chunk(task: ExplainTask) -> tuple[pa.Table, list[tuple[str, str]]]:
    """Rows of some scenes, and (token, reason) of those that could not be explained."""
    rows: list[dict[str, Any]] = []
    problems = []
    for scene in task.scenes:
        fault = pose_fault(scene.poses)
        if fault:
            problems.append((scene.token, fault))
            continue
        try:
            cache = task.caches.get(scene.token)
            found = explain_scene(cache, scene.poses.reshape(-1, 3), task.ep_below, task.protocol)
        except ReWorldError as error:
            problems.append((scene.token, error.message))
            continue
        own = {"token": scene.token, "table_score": scene.table_score}
        rows += [{**row, **own} for row in found]
    return pa.Table.from_pylist(rows, schema=SCHEMA), problems


def explain_scene(
    cache: SceneCache, poses: Array, ep_below: float = EP_BELOW, protocol: str = _V1
) -> list[dict[str, Any]]:
    """Explain one plan.

    Args:
        cache: the scene.
        poses: [8, 3] at 2 Hz or [40, 3] at 10 Hz, ego frame, m and rad.
        ep_below: EP that counts as a failure.
        protocol: `pdms_v1` or `epdms_v2`; of the latter without EC, which needs two frames.

    Returns:
        One dict (keys of `SCHEMA`) for each failed metric, what costs most first.

    Raises:
        ReWorldError: the poses or the scene cannot be scored.
    """
    scored = _first(pdm.score(cache, poses[None], protocol, explain=True))
    failed = failed_metrics(scored, ep_below, protocol)
    if not failed:
        return []
    plan = dense(poses)
    tried, results, human_progress = try_variants(cache, plan, protocol)
    states = situations.drive(cache, poses)
    common = {
        "token": cache.token,
        "log_name": cache.log_name,
        "score": scored[SCORE],
        "table_score": np.nan,
        "progress_m": scored["progress_m"],
        "pdm_closed_progress_m": scored["pdm_closed_progress_m"],
        "variants_tried": len(tried),
        **situations.traits(cache, plan),
    }
    human_fails = {
        short: scored.get(f"{name}_human_fails", np.nan) for short, name in METRICS.items()
    }
    human_fails["HC"] = np.nan  # the driver is scored without the past: nothing is known
    human_fails["EP"] = float(human_progress < ep_below) if np.isfinite(human_progress) else np.nan
    rows = []
    for short in failed:
        found = failure_attributes(METRICS[short], cache, states, scored)
        row = {
            **common,
            "metric": short,
            "value": scored[METRICS[short]],
            "decisive": short == failed[0],
            "human_fails": human_fails[short],
            **found,
            "class": classes.failure_class(found["mechanism"], human_fails[short]),
            **_counterfactual(short, scored, tried, results, ep_below),
        }
        rows.append({**row, "sentence": sentence(row)})
    return rows


def try_variants(
    cache: SceneCache, plan: Array, protocol: str = _V1
) -> tuple[list[Variant], dict[str, Array], float]:
    """Variants of a plan [41, 3], their scores [V], and the human's EP (NaN without a future)."""
    tried = variants(plan)
    batch = [variant.poses for variant in tried]
    knows_human = cache.human_poses.shape == (8, 3) and np.isfinite(cache.human_poses).all()
    if knows_human:
        batch.append(dense(np.array(cache.human_poses))[1:])
    results = pdm.score(cache, np.stack(batch), protocol)
    human = float(results[EP][-1]) if knows_human else np.nan
    return tried, {name: values[: len(tried)] for name, values in results.items()}, human


def _first(records: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {name: values[0].item() for name, values in records.items()}


def _counterfactual(
    short: str,
    scored: Mapping[str, Any],
    tried: Sequence[Variant],
    results: Mapping[str, Array],
    ep_below: float,
) -> dict[str, Any]:
    """The smallest changes, at most one of a family, that fix the metric and break no other."""
    name = METRICS[short]
    fixes = results[name] >= (ep_below if short == "EP" else 1.0)
    for other in (column for column in _SAFE if column in results):
        fixes = fixes & (results[other] >= scored[other])
    found = list(_smallest(short, tried, fixes))[:_NAMED]
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


def _smallest(short: str, tried: Sequence[Variant], fixes: NDArray[np.bool_]) -> Iterator[int]:
    """Number of the first variant of each family that fixes."""
    for family in _FAMILIES[short]:
        for index, variant in enumerate(tried):
            if variant.family == family and fixes[index]:
                yield index
                break
