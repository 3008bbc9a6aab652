"""An agent through many scenarios, in processes; what is driven survives a kill."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from reworld_agent.analysis.tables.files import ROLLOUTS
from reworld_agent.closed_loop.driving.loop import RECORDED, Pace, drive_scenario, same_class
from reworld_agent.closed_loop.driving.record import row_of, source_of, unusable
from reworld_agent.closed_loop.driving.settings import DriveRun
from reworld_agent.closed_loop.driving.tables import Driving, write_tables
from reworld_agent.closed_loop.replay.scenarios import LogScenario, of_logs
from reworld_agent.closed_loop.replay.stage_scenarios import of_groups
from reworld_agent.closed_loop.replay.stages import STAGE_S
from reworld_agent.closed_loop.scenarios import Scenario, of_split
from reworld_agent.closed_loop.sight import Sight
from reworld_agent.closed_loop.world import maps_root
from reworld_agent.core.errors import DataError, SceneError, UsageError
from reworld_agent.core.guards.file_names import file_name
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import provenance
from reworld_agent.core.result_tables import check_writable
from reworld_agent.core.shards import PartStore
from reworld_agent.core.vocabulary import DRIVE_SCORES_FILE, DRIVE_V1
from reworld_agent.core.workers import run_tasks
from reworld_agent.evaluation.agent_choice import AgentChoice
from reworld_agent.evaluation.agents import CHECKPOINT, build_agents
from reworld_agent.evaluation.two_stage import read_mapping
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.golden.finding import require_trust
from reworld_agent.scenes.sensors import cameras_of
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.scenes.synthetic.drive import SPLITS
from reworld_agent.scenes.types import SensorConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DriveTask:
    """What one call in a worker process drives."""

    scenario: Scenario | LogScenario
    choice: AgentChoice
    pace: Pace
    film: bool
    folder: Path


@one_writer
def drive(settings: DriveRun) -> Driving:
    """Drive an agent through the scenarios of a split and write the tables.

    Raises:
        ReWorldError: the run cannot start, or cannot write; what was driven is kept. Also where
            another process writes the same folder.
    """
    check_writable(settings.output_dir, DRIVE_SCORES_FILE)
    require_trust()
    agent = build_agents([settings.agent])[settings.agent.name]
    if settings.world == "stages" and agent.name() == RECORDED:
        hint = "choose another agent, or world=logs"
        raise UsageError("nobody is recorded in a synthetic scene", hint)
    scenarios = _scenarios(settings, same_class(agent.get_sensor_config()))
    origin = provenance(settings.agent.name, agent, settings.split, len(scenarios), DRIVE_V1)
    origin |= {
        **_world_of(settings),
        "replan_hz": settings.replan_hz,
        "latency_s": settings.latency,
        "seconds": 2 * STAGE_S if settings.world == "stages" else settings.seconds,
        "recorded_driver": agent.name() == RECORDED,
    }
    named = {CHECKPOINT} if origin["weights_sha256"] else set()
    identity = {key: origin[key] for key in ("agent", "weights_sha256", "split", "code_version")}
    identity |= _world_of(settings)
    identity |= {key: origin[key] for key in ("replan_hz", "latency_s", "seconds")}
    identity["arguments"] = settings.agent.arguments(but={"device", *named})
    identity["film"] = settings.film
    folder = settings.output_dir
    store = PartStore(folder / "parts" / "drives", ("scenario",), identity, settings.resume)
    del agent  # each process builds its own
    _drive_all(settings, scenarios, store)
    rows = store.rows().set_index("scenario", drop=False)
    rows = rows.loc[[scenario.name for scenario in scenarios]].reset_index(drop=True)
    return write_tables(settings.output_dir, rows, origin)


def _world_of(settings: DriveRun) -> dict[str, Any]:
    """What is driven in, for provenance."""
    if settings.world == "town":
        return {"town_version": SPLITS[settings.split].version}
    return {"world": settings.world, "near_m": settings.near}


def _scenarios(settings: DriveRun, sensors: SensorConfig) -> Sequence[Scenario | LogScenario]:
    """What is driven; raises UsageError where the agent cannot be shown what it asks for."""
    if settings.cameras == "none" and sensors != SensorConfig.build_no_sensors():
        raise UsageError(
            f"cameras=none, but the agent '{settings.agent.name}' asks for sensors",
            "leave cameras= out, or choose an agent that needs only state",
        )
    if settings.world == "town":
        Sight.check(sensors)
        return of_split(settings.split, settings.scenarios, settings.kinds, settings.seconds)
    wanted = cameras_of([sensors])
    roots = resolve_split(settings.split, (*wanted, *(["CAM_F0"] if settings.film else [])))
    found: Sequence[LogScenario]
    if settings.mapping is not None:
        groups = read_mapping(settings.mapping)
        found = of_groups(roots, groups, settings.scenarios, settings.synthetic, settings.near)
    else:
        found = of_logs(roots, settings.scenarios, settings.seconds, settings.near)
    return found


def _drive_all(
    settings: DriveRun, scenarios: Sequence[Scenario | LogScenario], store: PartStore
) -> None:
    done = store.rows()
    finished = set() if done.empty else set(zip(done["scenario"], done["source"], strict=True))
    todo = [own for own in scenarios if (own.name, source_of(own)) not in finished]
    if not todo:
        return
    if settings.world == "town":
        maps_root()  # made once, not by every process
    ensure_compiled()
    todo.sort(key=lambda scenario: scenario.town)  # a process keeps few towns in memory
    tasks = [_task(settings, scenario) for scenario in todo]
    with tqdm(total=len(tasks), desc="driving", unit="scenario", delay=2.0) as progress:
        try:
            for row in _rows(settings, tasks):
                store.add([row])
                progress.update(1)
        finally:
            store.flush()


def _rows(settings: DriveRun, tasks: list[DriveTask]) -> Iterator[dict[str, Any]]:
    worker = settings.worker if len(tasks) > 1 else "sequential"
    return run_tasks(drive_one, tasks, worker, settings.workers)


def _task(settings: DriveRun, scenario: Scenario | LogScenario) -> DriveTask:
    pace = Pace(settings.interval, settings.latency)
    folder = settings.output_dir / ROLLOUTS / file_name(scenario.name)
    return DriveTask(scenario, settings.agent, pace, settings.film, folder)


def drive_one(task: DriveTask) -> dict[str, Any]:
    """The row of one scenario; whatever happens in it, it has one."""
    agent = _agent(task.choice.name, _Choice(task.choice))
    try:
        driven = drive_scenario(task.scenario, agent, task.pace, task.film)
        return row_of(driven, task.folder, task.choice.name)
    except (SceneError, DataError) as error:
        return unusable(task.scenario, error.message)


class _Choice:
    """An agent's choice that a cache can hold: equal where its arguments are."""

    def __init__(self, choice: AgentChoice) -> None:
        self.choice = choice
        self._key = repr(sorted(choice.config.items(), key=lambda item: item[0]))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Choice) and other._key == self._key


@lru_cache(maxsize=1)
def _agent(name: str, held: _Choice) -> Any:
    """The agent of this process, its weights loaded once."""
    with suppress(ImportError):  # an agent of plain numpy needs no torch
        import torch  # noqa: PLC0415 - of the extra `model`

        torch.set_num_threads(1)
    return build_agents([held.choice])[name]
