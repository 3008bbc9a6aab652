"""A driven scenario on disk: a row of the tables, and a folder that `reworld look` plays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.analysis.player.recordings import Rollout
from reworld_agent.closed_loop.contacts import OFF_MAP
from reworld_agent.closed_loop.driving.loop import Driven
from reworld_agent.closed_loop.judging.failures import failures
from reworld_agent.closed_loop.judging.verdict import Verdict, drive_score, judge
from reworld_agent.closed_loop.scenarios import Scenario
from reworld_agent.closed_loop.stage import TICK
from reworld_agent.core.atomic import write_atomically
from reworld_agent.pdm.metrics import SCORE, metric
from reworld_agent.pdm.metrics.table import DRIVE, MP
from reworld_agent.pdm.scene_cache import TRACK_TYPES
from reworld_agent.pdm.simulate.bicycle import VX

Array = NDArray[np.float64]
_REACH = 60.0  # m around the ego within which others are recorded
MORE = ("alpasim_score", "route_completion", "progress_m", "recorded_m", "end_time_s")


def row_of(driven: Driven, folder: Path | None, label: str) -> dict[str, Any]:
    """Judge a driven scenario and record it; its row, in plain values.

    Args:
        driven: the scenario.
        folder: of its recording; None for none.
        label: of the agent.
    """
    with driven.timed("judge"):
        verdict = judge(driven.world)
        values = _values(verdict, driven.reason)
        log = driven.world.drive.name
        lost = failures(verdict, driven.world.scenario.name, log)
        for row in lost:
            row["score"] = row["table_score"] = values[SCORE]
    row = {
        **scenario_columns(driven.world.scenario),
        "log_name": log,
        "valid": True,
        **values,
        **{name: verdict.more[name] for name in MORE},
        **({"alpasim_score": 0.0} if driven.reason else {}),
        "reason": driven.reason or _reason(driven, verdict),
        "failures": json.dumps(lost),
        **_rollout_columns(driven),
    }
    if folder is not None and verdict.windows:
        _save(driven, verdict, values, lost, folder, label)
    return {**row, "timings": json.dumps(driven.seconds)}


def unusable(scenario: Scenario, reason: str) -> dict[str, Any]:
    """The row of a scenario that cannot be made: without scores, whoever drives."""
    nothing = dict.fromkeys((*DRIVE.official, SCORE, *MORE), float("nan"))
    row = {**scenario_columns(scenario), "log_name": "", "valid": False, **nothing}
    empty = {"states": [], "plan_ticks": [], "plans": "[]", "events": "[]"}
    return {**row, "reason": reason, "failures": "[]", **empty, "timings": "{}"}


def scenario_columns(scenario: Scenario) -> dict[str, Any]:
    """What a scenario is, for tables."""
    return {
        "scenario": scenario.name,
        "town": scenario.town,
        "kind": scenario.kind,
        "difficulty": scenario.difficulty,
    }


def _values(verdict: Verdict, reason: str) -> dict[str, float]:
    """The metrics; an agent that gave no plan has not made its way."""
    if not reason:
        return verdict.values
    stopped = {**verdict.values, MP.name: 0.0}
    return {**stopped, SCORE: drive_score(stopped)}


def _reason(driven: Driven, verdict: Verdict) -> str:
    """What is to be said of a scenario that was not driven to its end, or hardly at all."""
    world, more = driven.world, verdict.more
    if world.reason == OFF_MAP or verdict.fault:
        return f"the ego left the map: no road near it at {world.time:.1f} s"
    if verdict.values[MP.name] < 1.0:
        return f"came {more['progress_m']:.0f} m of the recorded {more['recorded_m']:.0f} m"
    return ""


def _rollout_columns(driven: Driven) -> dict[str, Any]:
    return {
        "states": driven.world.states.ravel().tolist(),
        "plan_ticks": [tick for tick, _ in driven.plans],
        "plans": json.dumps([np.round(points, 3).tolist() for _, points in driven.plans]),
        "events": json.dumps([[round(e.time, 1), e.kind, e.detail] for e in driven.events]),
    }


def _save(
    driven: Driven,
    verdict: Verdict,
    values: dict[str, float],
    lost: list[dict[str, Any]],
    folder: Path,
    label: str,
) -> None:
    world, stage = driven.world, driven.world.stage
    ticks = range(world.tick + 1)
    things = stage.things
    poses = np.array([things.now(stage.ticks[k].moment)[0] for k in ticks])
    poses[..., :2] += stage.origin
    states = world.states
    near = np.hypot(*(poses[..., :2] - states[:, None, :2]).transpose(2, 0, 1)) < _REACH
    chosen = np.flatnonzero(near.any(axis=0))
    shortest = min((len(points) for _, points in driven.plans), default=0)
    plans = [points[:shortest] for _, points in driven.plans]
    by_metric = {row["metric"]: row for row in lost}
    header = {
        "token": world.scenario.name,
        "label": label,
        "dt": TICK,
        "score": values[SCORE],
        "metrics": [_metric(name, values[name], by_metric) for name in DRIVE.official],
    }
    Rollout(
        header,
        ego=states[:, :3],
        speed=states[:, VX],
        plan_step=np.array([tick for tick, _ in driven.plans], np.int64),
        plans=np.array(plans, float).reshape(len(plans), shortest, 2),
        track_token=np.array([things.tracks[k] for k in chosen], np.str_),
        track_type=np.array([TRACK_TYPES.index(str(things.names[k])) for k in chosen], np.int8),
        track_size=things.sizes[chosen, :2],
        track_pose=poses[:, chosen],
    ).save(folder, verdict.windows[0].cache)
    for tick, picture in driven.pictures:
        write_atomically(folder / "cam_f0" / f"{tick:05d}.jpg", _jpeg(picture))


def _metric(name: str, value: float, lost: dict[str, dict[str, Any]]) -> dict[str, Any]:
    row = metric(name)
    found = lost.get(row.short)
    failed = None
    if found is not None:
        time = found["failure_time_s"]
        step = 0 if time != time else max(round(time / TICK), 0)
        failed = {"step": step, "text": row.short, "sentence": found["sentence"]}
        failed["track"] = found["object_token"] or None
    return {"short": row.short, "title": row.title, "value": value, "failed": failed}


def _jpeg(picture: NDArray[np.uint8]) -> Any:
    from PIL import Image  # noqa: PLC0415 - of the extra that films need

    def write(path: Path) -> None:
        Image.fromarray(picture).save(path, "JPEG", quality=85)

    return write
