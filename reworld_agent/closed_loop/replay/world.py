"""A NAVSIM log with a free ego: no new pictures, no reacting traffic, and it says so.

    world = LogWorld(log, start=3, maps_root=maps)      # for agents that need no camera
    while not world.done:
        world.advance(agent.compute_trajectory(world.observe()))

With `sensors` the agent is shown the logged pictures of the time; they are true only near the log.
`left_at` is when the ego first came further from it than `near`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.ego import LONGEST, Control, Plan, interval_of_action, read_action
from reworld_agent.core.errors import DataError, SceneError, UsageError
from reworld_agent.pdm.simulate.bicycle import AX, AY, VX, VY, YAW_RATE
from reworld_agent.pdm.world.frames import Moment, open_log
from reworld_agent.scenes.geometry import relative_poses
from reworld_agent.scenes.types import AgentInput, Cameras, EgoStatus, Lidar, SensorConfig

Array = NDArray[np.float64]
FRAME, TICKS = 0.5, 5  # s and ticks of 0.1 s between two frames
HISTORY = 4  # frames that an agent is shown
NEAR = 2.0  # m; the tracker itself lags behind a logged plan by 1 m and more
OVER, LOST = "over", "lost"
_LOST_M = 60.0  # from the log: there nothing is annotated, and nothing can be judged


class LogWorld:
    """A log from one of its frames on.

    Args:
        log: the file.
        start: number of the frame at which the ego becomes free; 3 or more.
        maps_root: folder of the city maps, for judging.
        seconds: how long, at most; a log that ends sooner ends it.
        sensors: what the agent asks for; None for nothing.
        blobs: folder that the log's image paths start from, where there are sensors.
        near: metres from the logged ego within which logged pictures count as true.

    Attributes:
        tick: of 0.1 s since the start; reason: `over`, `lost` (60 m from the log), "" before.
        left_at: s at which the ego left the log's neighbourhood; None while it has not.

    Raises:
        DataError: the log cannot be read, or a frame of it is damaged.
        SceneError: it has no history before the start, or nothing after it.
        UsageError: sensors without a folder of theirs.
    """

    def __init__(
        self,
        log: Path | str,
        start: int,
        maps_root: Path,
        seconds: float = 20.0,
        sensors: SensorConfig | None = None,
        blobs: Path | None = None,
        near: float = NEAR,
    ) -> None:
        self.sensors = sensors or SensorConfig.build_no_sensors()
        if blobs is None and self.sensors != SensorConfig.build_no_sensors():
            raise UsageError("the agent asks for sensors", "name the folder of sensor data")
        self.log, self.start, self.maps_root = open_log(Path(log)), start, maps_root
        self.blobs, self.near = blobs, near
        self.last = min(start + round(seconds / FRAME), len(self.log.frames) - 1)
        if start < HISTORY - 1 or self.last <= start:
            raise SceneError(
                f"{log}: frame {start} of {len(self.log.frames)} has no history, or no future",
                f"start from {HISTORY - 1} to {len(self.log.frames) - 2}",
            )
        logged = self.log.moments(start - HISTORY + 1, start + 1)
        self._past = [moment.state for moment in logged]
        self._states = [self._past[-1]]
        self.reason, self.left_at = "", None if near > 0.0 else 0.0
        self._plan: Plan | None = None

    @property
    def tick(self) -> int:
        """Ticks of 0.1 s since the start."""
        return len(self._states) - 1

    @property
    def time(self) -> float:
        """Seconds since the start."""
        return self.tick * 0.1

    @property
    def done(self) -> bool:
        """Whether nothing can be driven any more."""
        return bool(self.reason)

    @property
    def state(self) -> Array:
        """[11] ego now: rear axle, global."""
        return self._states[-1]

    @property
    def states(self) -> Array:
        """[T, 11] ego from the start on, at 10 Hz."""
        return np.array(self._states)

    def moment(self, number: int) -> Moment:
        """Frame `number` since the start: as logged, with the ego that was driven."""
        logged = self.log.moments(self.start + number, self.start + number + 1)[0]
        return logged._replace(state=self._driven(number))

    @property
    def distance(self) -> float:
        """Metres between the ego and where it was logged, at the last whole frame."""
        number = self.tick // TICKS
        logged = self.log.moments(self.start + number, self.start + number + 1)[0].state
        return float(np.hypot(*(self._driven(number) - logged)[:2]))

    def observe(self) -> AgentInput:
        """The history up to now, as NAVSIM hands it to an agent; commands are the log's."""
        now = self.tick // TICKS
        numbers = range(now - HISTORY + 1, now + 1)
        states = np.array([self._driven(number) for number in numbers])
        local = relative_poses(states[-1, :3], states[:, :3]).astype(np.float32)
        frames = [self.log.frames[self.start + number] for number in numbers]
        statuses = [
            _status(frame, state, pose, free=number > 0)
            for frame, state, pose, number in zip(frames, states, local, numbers, strict=True)
        ]
        cameras, lidars = [], []
        for place, frame in enumerate(frames):
            names = self.sensors.get_sensors_at_iteration(place)
            blobs, path = self.blobs or Path(), frame.get("lidar_path")
            cameras.append(Cameras.from_camera_dict(blobs, frame["cams"], names, frame["token"]))
            lidars.append(Lidar.from_paths(blobs, Path(path) if path else None, names))
        return AgentInput(statuses, cameras, lidars)

    def advance(self, action: Any = None, duration: float = FRAME) -> None:
        """Drive on for a whole number of frames, at most 4 s; None goes on with the plan before.

        Raises:
            DataError: the action is no plan, not finite, or teleports; nothing has moved.
            UsageError: the time is none of these, or the log has ended.
        """
        frames = round(duration / FRAME)
        if self.done or abs(frames * FRAME - duration) > 1e-6 or not 0 < duration <= LONGEST:
            raise UsageError(
                f"no step of {duration:g} s in a log{f' that is {self.reason}' * self.done}",
                "multiples of 0.5 s, at most 4 s",
            )
        if action is not None:
            found = read_action(action)
            if isinstance(found, Control):
                raise DataError("a log is driven by plans", "give poses [L, 3]")
            self._plan = Plan(self.state, self._time_us(), found, interval_of_action(action))
        if self._plan is None:
            raise DataError("there is no plan yet", "give poses [L, 3]")
        course = self._plan.followed(self.state, self._time_us())
        left = (self.last - self.start) * TICKS - self.tick
        self._states += list(course[1 : 1 + min(frames * TICKS, left)])
        if self.left_at is None and self.distance > self.near:
            self.left_at = self.time
        if self.distance > _LOST_M:
            self.reason = LOST
        elif self.start + self.tick // TICKS >= self.last:
            self.reason = OVER

    def _driven(self, number: int) -> Array:
        """[11] ego at a frame since the start; before it, as logged."""
        return self._past[number - 1] if number < 0 else self._states[number * TICKS]

    def _time_us(self) -> int:
        return int(self.log.frames[self.start]["timestamp"]) + self.tick * 100_000


def _status(frame: dict[str, Any], state: Array, pose: Array, free: bool) -> EgoStatus:
    """Of a frame; what a driven ego feels sideways is its speed times its yaw rate."""
    aside = state[VX] * state[YAW_RATE] if free else state[AY]
    return EgoStatus(
        ego_pose=pose,
        ego_velocity=np.array([state[VX], state[VY]], dtype=np.float32),
        ego_acceleration=np.array([state[AX], aside], dtype=np.float32),
        driving_command=frame["driving_command"],
    )
