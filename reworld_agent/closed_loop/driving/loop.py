"""One agent through one scenario: what it drove, planned and met, and what each part cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.contacts import Event
from reworld_agent.closed_loop.ego import Plan, read_action
from reworld_agent.closed_loop.replay.scenarios import LogScenario
from reworld_agent.closed_loop.replay.stages import StagedWorld
from reworld_agent.closed_loop.replay.world import LogWorld
from reworld_agent.closed_loop.scenarios import Scenario
from reworld_agent.closed_loop.world import World
from reworld_agent.core.errors import DataError, ReWorldError
from reworld_agent.core.text import one_line, said
from reworld_agent.evaluation.inference import plan_of
from reworld_agent.scenes.types import AgentInput, SensorConfig

RECORDED = "HumanAgent"  # the devkit's name of the agent that replays the log: here, the drive
_LONGEST = 300  # characters of what somebody's code raises


@dataclass(frozen=True)
class Pace:
    """How often an agent plans, and how late (s)."""

    interval: float = 0.5
    latency: float = 0.0


@dataclass
class Driven:
    """What came of a scenario.

    Attributes:
        scenario: what was driven.
        world: as it was left.
        plans: tick and global points [L, 2] of each plan.
        events: all that happened.
        reason: why the agent was stopped; "" where it was not.
        pictures: tick and front picture, where they are kept.
        seconds: of the processor, by part: prepare, see, plan, drive.
    """

    scenario: Scenario | LogScenario
    world: World | LogWorld | StagedWorld
    plans: list[tuple[int, NDArray[np.float64]]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    reason: str = ""
    pictures: list[tuple[int, NDArray[np.uint8]]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the processor's time of a part of the work."""
        start = time.process_time()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - start


def drive_scenario(
    scenario: Scenario | LogScenario, agent: Any, pace: Pace | None = None, film: bool = False
) -> Driven:
    """Drive an agent through a scenario until that ends, or the agent gives no plan.

    Whatever the agent raises or returns, it ends the scenario and not the run. `HumanAgent` is the
    recorded driver: its ego keeps to the recorded path, and over a log follows the logged ego.

    Args:
        scenario: what is driven.
        agent: initialised; an `AbstractAgent` of this host or of the devkit. One that
            `requires_scene` is shown boxes, lights, route and map, and no future.
        pace: how often it plans, and how late.
        film: keep the front pictures.

    Raises:
        SceneError: nothing drivable comes of the scenario's seed, or the log's frame.
        DataError: a log, or a sensor file of it, is missing or damaged.
        UsageError: the agent asks for a sensor that the town has not.
    """
    pace = pace or Pace()
    recorded = agent.name() == RECORDED
    sensors = same_class(agent.get_sensor_config())
    start = time.process_time()
    world = (
        scenario.world(sensors, recorded)
        if isinstance(scenario, LogScenario)
        else World(scenario, sensors, recorded)
    )
    driven = Driven(scenario, world, seconds={"prepare": time.process_time() - start})
    while not world.done and not driven.reason:
        with driven.timed("see"):
            seen = world.observe()
            if film:
                driven.pictures.append((world.tick, world.picture()))
        plan = None
        if not recorded:
            with driven.timed("plan"):
                plan = _planned(driven, agent, seen)
        if not driven.reason:
            with driven.timed("drive"):
                _go(driven, plan, pace)
    return driven


def _planned(driven: Driven, agent: Any, seen: AgentInput) -> Any:
    """The agent's plan; None, with the reason noted, where it gives none that can be driven."""
    scene = (driven.world.scene(),) if agent.requires_scene else ()  # its faults are of the data
    try:
        plan = agent.compute_trajectory(seen, *scene)
    except (Exception, SystemExit) as error:  # whatever the code of others raises
        text = f"{type(error).__name__}: {error.message}" if isinstance(error, ReWorldError) else ""
        driven.reason = one_line(f"the agent raised {text or said(error)}", _LONGEST)
        return None
    try:
        plan_of(plan)  # as `reworld score` takes it: without a plan a world goes on with the last
        read_action(plan)
    except DataError as error:
        driven.reason = one_line(f"no plan: {error.message}", _LONGEST)
    return plan


def _go(driven: Driven, plan: Any, pace: Pace) -> None:
    world, tick = driven.world, driven.world.tick
    rest = (world.last_tick - tick) / 10.0
    duration = min(pace.interval, rest)
    latency = pace.latency if pace.latency < duration else 0.0
    driven.events += world.advance(plan, duration, latency)
    if isinstance(world.followed, Plan) and plan is not None:
        driven.plans.append((tick, world.followed.points()))


def same_class(sensors: Any) -> SensorConfig:
    """The wishes of an agent of the devkit in this host's class."""
    names = SensorConfig.__dataclass_fields__
    return SensorConfig(**{name: getattr(sensors, name) for name in names})
