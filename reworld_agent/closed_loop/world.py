"""The town as a closed loop: an ego that is free, and everybody else who reacts to it.

world = World(scenarios.make(3, "cut_in"), cameras=("CAM_F0",))
seen = world.reset()
while not world.done:
seen, events = world.step(agent.compute_trajectory(seen), 0.5)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.contacts import OFF_MAP, OFF_ROAD, OVER, Event, Surroundings
from reworld_agent.closed_loop.ego import (
    LONGEST,
    Control,
    Plan,
    interval_of_action,
    read_action,
)
from reworld_agent.closed_loop.scenarios import Scenario
from reworld_agent.closed_loop.sight import FRAME_TICKS, Sight, sensors_of
from reworld_agent.closed_loop.stage import TICK, Stage
from reworld_agent.core.errors import UsageError
from reworld_agent.scenes.scene import Scene
from reworld_agent.scenes.synthetic.splits import ensure_split
from reworld_agent.scenes.types import AgentInput, SensorConfig

Array = NDArray[np.float64]
HISTORY_FRAMES = 4  # that an agent is shown, 0.5 s apart
_TOLERANCE = 1e-6


class World:
    """One scenario, driven.

    Args:
        scenario: from `scenarios.make` or `scenarios.from_split`.
        cameras: whose pictures the agent is shown in every frame of the history, such as CAM_F0;
            or a `SensorConfig`, as an agent asks for them.
        recorded: the ego drives as it was recorded; `step` takes no action.

    Attributes:
        stage: the town, and all its ticks so far.
        followed: the plan, or control, that the ego follows; None before the first.
        reason: why nothing can be driven any more: `over` or `off_map`; "" while it goes on.

    Raises:
        SceneError: nothing drivable comes of the scenario's seed.
        UsageError: there is no such camera.
    """

    def __init__(
        self,
        scenario: Scenario,
        cameras: Sequence[str] | SensorConfig = ("CAM_F0",),
        recorded: bool = False,
    ) -> None:
        self.scenario, self.recorded = scenario, recorded
        self.drive = scenario.drive()
        sensors = sensors_of(tuple(cameras)) if isinstance(cameras, Sequence) else cameras
        self.sight = Sight(self.drive, sensors, HISTORY_FRAMES)
        self.surroundings = Surroundings(self.drive)
        self.last_tick = round(scenario.seconds / TICK)
        self._begin()

    def reset(self) -> AgentInput:
        """Begin anew; what the agent sees first."""
        if self.tick:
            self._begin()
        return self.observe()

    def _begin(self) -> None:
        self.stage, self.reason = Stage(self.drive), ""
        self.followed: Plan | Control | None = None
        self._touched: set[int] = set()
        self._on_road = True

    @property
    def done(self) -> bool:
        """Whether the scenario has ended."""
        return bool(self.reason)

    @property
    def tick(self) -> int:
        """Ticks of 0.1 s since the scenario began."""
        return self.stage.tick

    @property
    def time(self) -> float:
        """Seconds since the scenario began."""
        return self.tick * TICK

    @property
    def state(self) -> Array:
        """[11] ego now, as `pdm.simulate.bicycle` has it: rear axle, global frame."""
        return self.stage.now.state

    @property
    def states(self) -> Array:
        """[T, 11] ego at ticks 0 … now."""
        return np.array([self.stage.ticks[k].state for k in range(self.tick + 1)])

    def observe(self) -> AgentInput:
        """What the agent sees now."""
        return self.sight.agent_input(self.stage.ticks, self.tick)

    def picture(self, camera: str = "CAM_F0") -> NDArray[np.uint8]:
        """What a camera sees now [height, width, 3] (RGB)."""
        return self.sight.picture(self.tick, self.stage.now.moment, camera)

    def step(
        self, action: Any = None, duration: float = 0.5, latency: float = 0.0
    ) -> tuple[AgentInput, list[Event]]:
        """Drive on for some time; what is seen then, and what has happened meanwhile.

        Args:
            action: a `Trajectory`, or poses [L, 3] (8 at 2 Hz, 40 at 10 Hz), that the scorer's
                tracker and bicycle follow; or (acceleration in m/s², steering angle in rad).
                None goes on with the one before, and at first rolls on.
            duration: s, a whole number of ticks, at most 4; a scenario that ends sooner ends it.
            latency: s after which the new action counts, where a plan starts from where the ego
                was when it was planned; until then the one before does. Less than `duration`.

        Raises:
            DataError: the action is none, not finite, or teleports; nothing has moved.
            UsageError: the times are none of these, or the scenario has ended.
        """
        events = self.advance(action, duration, latency)
        return self.observe(), events

    def advance(
        self, action: Any = None, duration: float = 0.5, latency: float = 0.0
    ) -> list[Event]:
        """`step` without looking: no picture is painted."""
        ticks, late = self._times(duration, latency)
        given = self.followed if action is None or self.recorded else self._read(action)
        events: list[Event] = []
        if late:
            self._drive(self.followed, late, events)
        self.followed = given
        self._drive(given, ticks - late, events)
        return events

    def scene(self) -> Scene:
        """What a privileged agent sees now: boxes, lights, route and map too; no future."""
        numbers = [self.tick - FRAME_TICKS * k for k in reversed(range(HISTORY_FRAMES))]
        frames = [self.stage.frame(number) for number in numbers]
        none = SensorConfig.build_no_sensors()
        return Scene.from_scene_dict_list(frames, Path(), HISTORY_FRAMES, 0, none, maps_root())

    def _times(self, duration: float, latency: float) -> tuple[int, int]:
        ticks, late = round(duration / TICK), round(latency / TICK)
        whole = abs(ticks * TICK - duration) + abs(late * TICK - latency) < _TOLERANCE
        if not self.done and whole and 0 <= late < ticks <= round(LONGEST / TICK):
            return ticks, late
        ended = f": the scenario has ended ({self.reason})" if self.done else ""
        raise UsageError(
            f"no step of {duration:g} s with a latency of {latency:g} s{ended}",
            "reset()" if self.done else "multiples of 0.1 s: latency below duration, at most 4 s",
        )

    def _read(self, action: Any) -> Plan | Control:
        found = read_action(action)
        if isinstance(found, Control):
            return found
        time_us = self.stage.time_us(self.tick)
        return Plan(self.state, time_us, found, interval_of_action(action))

    def _drive(self, given: Plan | Control | None, ticks: int, events: list[Event]) -> None:
        course = None
        if isinstance(given, Plan):
            course = given.followed(self.state, self.stage.time_us(self.tick))
        elif not self.recorded:
            course = (given or Control(0.0, 0.0)).followed(self.state, ticks)
        for k in range(1, ticks + 1):
            if self.done:
                return
            if course is None:
                self.stage.go_as_recorded()
            else:
                self.stage.go(course[k])
            events += self._judge()

    def _judge(self) -> list[Event]:
        """What begins to happen at this tick."""
        moment, around = self.stage.now.moment, self.surroundings
        touched, on_road = set(around.touched(moment)), around.on_road(moment)
        found = [around.collision(self.time, k) for k in sorted(touched - self._touched)]
        if self._on_road and not on_road:
            found.append(Event(self.time, OFF_ROAD))
        if not on_road and not around.on_map(moment):
            self.reason = OFF_MAP
        elif self.tick >= self.last_tick:
            self.reason = OVER
        if self.done:
            found.append(Event(self.time, self.reason))
        self._touched, self._on_road = touched, on_road
        return found


def maps_root() -> Path:
    """Where the maps of the town lie; they are written where they are not there yet."""
    return ensure_split("town6_test", cameras=(), drives=0, progress=False).maps_root
