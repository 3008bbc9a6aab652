"""NAVSIM v2's two stages as a pseudo closed loop: 4 s over the log, then 4 s from where it led.

Pictures of another pose than the logged one exist only where somebody has rendered them: around the
ends that a first stage may have. The ego drives 4 s over the log; then it is put where the nearest
synthetic scene begins, sees that scene's pictures, plans once, and is driven on for 4 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.contacts import OVER, Event
from reworld_agent.closed_loop.ego import Control, Plan, interval_of_action, read_action
from reworld_agent.closed_loop.judging.scene_score import scene_score
from reworld_agent.closed_loop.judging.verdict import Verdict, drive_score, progress
from reworld_agent.closed_loop.judging.windows import Window, judged_states
from reworld_agent.closed_loop.replay.verdict import LEFT_LOG, judge_log
from reworld_agent.closed_loop.replay.world import LEFT, LOST, LogWorld
from reworld_agent.core.errors import DataError
from reworld_agent.pdm import score
from reworld_agent.pdm.cache_io.from_scene_pickle import build_from_scene_pickle
from reworld_agent.pdm.metrics import SCORE
from reworld_agent.pdm.metrics.table import DAC, DRIVE, EP, NC
from reworld_agent.scenes.scene import Scene
from reworld_agent.scenes.scene_pickles import ScenePickle, load_scene_pickle, scene_pickle_path
from reworld_agent.scenes.types import AgentInput, SensorConfig

Array = NDArray[np.float64]
STAGE_S, STAGE_TICKS = 4.0, 40
STAGE_TWO, AWAY = "stage_two", "stage_two_away_m"  # an event, and a column


class StagedWorld:
    """A frame of stage one, and the synthetic scenes around its ends.

    Args:
        first: the log, 4 s of it.
        tokens: of the synthetic scenes.
        folder: of their pickles; blobs: of their sensor data.
        sensors: what the agent asks for.

    Attributes:
        away: m from where the first stage ended to where the second began; NaN before.
        followed: the plan that the ego follows; None before the first.
        reason: as a log's; "" while it goes on.

    Raises:
        DataError: a synthetic scene is missing or damaged.
    """

    def __init__(
        self,
        first: LogWorld,
        tokens: Sequence[str],
        folder: Path,
        blobs: Path,
        sensors: SensorConfig,
    ) -> None:
        self.first, self.blobs, self.sensors = first, blobs, sensors
        self._scenes = [load_scene_pickle(scene_pickle_path(folder, token)) for token in tokens]
        self.reason, self.away = "", np.nan
        self.farthest, self.left_at = 0.0, first.left_at
        self._scene: ScenePickle | None = None
        self._plan: Plan | None = None
        self._states: list[Array] = []

    last_tick = 2 * STAGE_TICKS + 1

    @property
    def followed(self) -> Plan | None:
        """See the class."""
        return self._plan or self.first.followed

    @property
    def states(self) -> Array:
        """[T, 11] ego; the start of stage two stands at tick 41."""
        return np.array([*self.first.states, *self._states])

    @property
    def tick(self) -> int:
        """Ticks of 0.1 s since the start."""
        return self.first.tick + len(self._states)

    @property
    def time(self) -> float:
        """Seconds since the start."""
        return self.tick * 0.1

    @property
    def done(self) -> bool:
        """Whether nothing can be driven any more."""
        return bool(self.reason)

    def observe(self) -> AgentInput:
        """What the agent sees now; raises DataError where a picture is missing."""
        return self.first.observe() if self._scene is None else self.scene().get_agent_input()

    def scene(self) -> Scene:
        """The whole scene, for privileged agents; no future."""
        if self._scene is None:
            return self.first.scene()
        found = self._scene.scene(self.blobs, self.sensors)
        found.maps_root = self.first.maps_root
        return found

    def picture(self, camera: str = "CAM_F0") -> NDArray[np.uint8]:
        """The picture of a camera now [height, width, 3] (RGB); raises as `LogWorld.picture`."""
        if self._scene is None:
            return self.first.picture(camera)
        only = SensorConfig.build_no_sensors()
        setattr(only, camera.lower(), True)
        seen = self._scene.scene(self.blobs, only).frames[-1].cameras
        image: NDArray[np.uint8] = getattr(seen, camera.lower()).image
        return image

    def advance(
        self, action: Any = None, duration: float = 0.5, latency: float = 0.0
    ) -> list[Event]:
        """Drive on: over the log as it does; in stage two for all of its 4 s, by one plan.

        Raises:
            DataError: the action is no plan, not finite, or teleports. SceneError: nothing can be
                driven in the scene of stage two. UsageError: the times are none of the log's.
        """
        if self._scene is not None:
            return self._second(action)
        events = self.first.advance(action, duration, latency)
        self.farthest, self.left_at = self.first.farthest, self.first.left_at
        if self.first.reason == LOST:
            self.reason = LOST
        if self.first.reason != OVER:
            return events
        return [*(event for event in events if event.kind != OVER), *self._begin_second()]

    def _begin_second(self) -> list[Event]:
        poses = [own.frames[-1]["ego_status"]["ego_pose"] for own in self._scenes]
        apart = np.hypot(*(np.array(poses)[:, :2] - self.first.state[:2]).T)
        nearest = int(apart.argmin())
        self._scene, self.away = self._scenes[nearest], float(apart[nearest])
        self.cache = build_from_scene_pickle(self._scene.path, self.first.maps_root)
        self._states = [self.cache.ego_state.copy()]
        events = [Event(self.time, STAGE_TWO, self._scene.metadata.initial_token)]
        self.farthest = max(self.farthest, self.away)
        if self.left_at is None and self.away > self.first.near:
            self.left_at = self.time
            events.append(Event(self.time, LEFT))
        return events

    def _second(self, action: Any) -> list[Event]:
        found = read_action(action)
        if isinstance(found, Control):
            raise DataError("a scene is driven by plans", "give poses [L, 3]")
        time_us = int(self.cache.time_us)
        self._plan = Plan(self._states[0], time_us, found, interval_of_action(action))
        self._states = list(self._plan.followed(self._states[0], time_us))
        self.reason = OVER
        return [Event(self.time, OVER)]

    def second_window(self) -> Window | None:
        """The window of stage two; None where it was not driven."""
        if self._plan is None:
            return None
        states = np.array(self._states)
        return Window(STAGE_TICKS + 1, self.cache, states, judged_states(self.cache, states))

    def reference_m(self) -> float:
        """Metres that PDM-Closed comes in the scene of stage two."""
        assert self._plan is not None
        poses, interval = self._plan.poses[None], self._plan.interval_s
        found = score(self.cache, poses, "epdms_v2", interval_s=interval)
        return float(found["pdm_closed_progress_m"][0])


def judge_stages(world: StagedWorld) -> Verdict:
    """Judge both stages: the worse one counts, and the way of both.

    The way of stage two is measured against PDM-Closed's, as EPDMS does: there is no logged driver.
    `more` has AWAY too (m).
    """
    first, second = judge_log(world.first), world.second_window()
    more = {
        **first.more,
        "end_time_s": world.time,
        LEFT_LOG: 0.0 if world.left_at is None else 1.0,
        "within_log_s": world.time if world.left_at is None else world.left_at,
        "farthest_m": world.farthest,
        AWAY: world.away,
    }
    if second is None:
        return Verdict(first.values, more, first.windows, None, first.fault)
    values = dict(first.values)
    for name, own in DRIVE.values(second.raw).items():
        values[name] = min(values[name], float(own[0]))
    way = more["progress_m"] + max(float(second.raw["progress"][0]), 0.0)
    reference = more["recorded_m"] + world.reference_m()
    values |= progress(way, reference)
    values[SCORE] = drive_score(values)
    share = values[EP.name]
    lost = [values[NC.name] < 1.0], [values[DAC.name] < 1.0]
    more |= {
        "alpasim_score": float(scene_score([share], [reference], *lost)[0]),
        "route_completion": share,
        "progress_m": way,
        "recorded_m": reference,
    }
    return Verdict(values, more, (*first.windows, second), None, first.fault)
