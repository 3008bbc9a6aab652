"""A driven scenario on disk: a row of the tables, and a folder that `reworld look` plays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.analysis.player.rollouts import Rollout
from reworld_agent.closed_loop.contacts import OFF_MAP
from reworld_agent.closed_loop.driving.loop import Driven
from reworld_agent.closed_loop.driving.tracks import tracks_of
from reworld_agent.closed_loop.judging.failures import failures
from reworld_agent.closed_loop.judging.lines import crosswalks, maps, mark, signals, traces
from reworld_agent.closed_loop.judging.verdict import Verdict, drive_score, judge
from reworld_agent.closed_loop.replay.scenarios import LOGGED, LogScenario
from reworld_agent.closed_loop.replay.stage_scenarios import STAGED
from reworld_agent.closed_loop.replay.stages import AWAY, StagedWorld, judge_stages
from reworld_agent.closed_loop.replay.verdict import LOG_COLUMNS, judge_log
from reworld_agent.closed_loop.replay.world import LOST, LogWorld
from reworld_agent.closed_loop.scenarios import Scenario
from reworld_agent.closed_loop.stage import TICK
from reworld_agent.closed_loop.world import World, maps_root
from reworld_agent.core.atomic import write_atomically
from reworld_agent.pdm.metrics import SCORE, Trace, metric
from reworld_agent.pdm.metrics.table import DRIVE, MP
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
        verdict, log = _judged(driven)
        values = _values(verdict, driven.reason)
        lost = failures(verdict, driven.scenario.name, log)
        for row in lost:
            row["score"] = row["table_score"] = values[SCORE]
    row = {
        **scenario_columns(driven.scenario),
        "log_name": log,
        "valid": True,
        **values,
        **verdict.more,
        **({"alpasim_score": 0.0} if driven.reason else {}),
        "reason": driven.reason or _reason(driven, verdict),
        "failures": json.dumps(lost),
        **_rollout_columns(driven),
    }
    if folder is not None and verdict.windows:
        _save(driven, verdict, values, lost, folder, label)
    return {**row, "timings": json.dumps(driven.seconds)}


def _judged(driven: Driven) -> tuple[Verdict, str]:
    """The verdict, and the name of the log."""
    world = driven.world
    if isinstance(world, StagedWorld):
        return judge_stages(world), world.first.log.path.stem
    if isinstance(world, LogWorld):
        return judge_log(world), world.log.path.stem
    return judge(world), world.drive.name


def unusable(scenario: Scenario | LogScenario, reason: str) -> dict[str, Any]:
    """The row of a scenario that cannot be made: without scores, whoever drives."""
    columns = more_columns(scenario.kind)
    nothing = dict.fromkeys((*DRIVE.official, SCORE, *columns), float("nan"))
    row = {**scenario_columns(scenario), "log_name": "", "valid": False, **nothing}
    empty = {"states": [], "plan_ticks": [], "plans": "[]", "events": "[]"}
    return {**row, "reason": reason, "failures": "[]", **empty, "timings": "{}"}


def more_columns(kind: str) -> tuple[str, ...]:
    """Numbers of a table beside the metrics and the score; of drives over logs some more."""
    if kind == STAGED:
        return (*MORE, *LOG_COLUMNS, AWAY)
    return (*MORE, *LOG_COLUMNS) if kind == LOGGED else MORE


def scenario_columns(scenario: Scenario | LogScenario) -> dict[str, Any]:
    """What a scenario is, for tables; `source` is what it was read from."""
    return {
        "scenario": scenario.name,
        "town": scenario.town,
        "kind": scenario.kind,
        "difficulty": scenario.difficulty,
        "source": source_of(scenario),
    }


def source_of(scenario: Scenario | LogScenario) -> str:
    """The hash of the file that a scenario is read from; "" of one that is made."""
    return scenario.source if isinstance(scenario, LogScenario) else ""


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
    if world.reason == LOST:
        return f"the ego was {more['farthest_m']:.0f} m from the logged one at {world.time:.1f} s"
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
    world = driven.world
    states = world.states
    tracks = tracks_of(world, verdict).within(_REACH, states)
    shortest = min((len(points) for _, points in driven.plans), default=0)
    plans = [points[:shortest] for _, points in driven.plans]
    by_metric = {row["metric"]: mark(verdict, row) for row in lost}
    lines = traces(verdict, len(states))
    light_id, light_red = signals(verdict, len(states))
    scenes = maps(verdict)
    header = {
        "token": driven.scenario.name,
        "label": label,
        "dt": TICK,
        "score": values[SCORE],
        "metrics": [_metric(name, values[name], by_metric, lines) for name in DRIVE.official],
    }
    Rollout(
        header,
        ego=states[:, :3],
        speed=states[:, VX],
        plan_step=np.array([tick for tick, _ in driven.plans], np.int64),
        plans=np.array(plans, float).reshape(len(plans), shortest, 2),
        track_token=tracks.token,
        track_type=tracks.kind,
        track_size=tracks.size,
        track_pose=tracks.pose,
        traces={name: line.values for name, line in lines.items()},
        light_id=light_id,
        light_red=light_red,
        **crosswalks(scenes, _maps_root(world)),
    ).save(folder, *scenes)
    for tick, picture in driven.pictures:
        write_atomically(folder / "cam_f0" / f"{tick:05d}.jpg", _jpeg(picture))


def _maps_root(world: World | LogWorld | StagedWorld) -> Path:
    """Where the maps of a world lie."""
    if isinstance(world, World):
        return maps_root()
    return world.first.maps_root if isinstance(world, StagedWorld) else world.maps_root


def _metric(
    name: str, value: float, lost: dict[str, dict[str, Any]], lines: dict[str, Trace]
) -> dict[str, Any]:
    row = metric(name)
    found = {
        "short": row.short,
        "title": row.title,
        "value": value,
        "failed": lost.get(row.short),
    }
    line = lines.get(row.short)
    if line is None:
        return found
    bound = line.bound if np.isfinite(line.bound) else None
    how = {"what": line.what, "unit": line.unit, "bound": bound, "above": line.fails_above}
    return {**found, **how}


def _jpeg(picture: NDArray[np.uint8]) -> Any:
    from PIL import Image  # noqa: PLC0415 - of the extra that films need

    def write(path: Path) -> None:
        Image.fromarray(picture).save(path, "JPEG", quality=85)

    return write
