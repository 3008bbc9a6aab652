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

from reworld_agent.closed_loop.contacts import OVER, Event
from reworld_agent.closed_loop.ego import LONGEST, Control, Plan, interval_of_action, read_action
from reworld_agent.closed_loop.replay.frames import FRAME, HISTORY, TICKS, reframed, status
from reworld_agent.core.errors import DataError, SceneError, UsageError
from reworld_agent.pdm.world.frames import Moment, open_log
from reworld_agent.scenes.geometry import relative_poses
from reworld_agent.scenes.maps.ground import open_outline
from reworld_agent.scenes.scene import Scene
from reworld_agent.scenes.types import AgentInput, Cameras, Lidar, SensorConfig

Array = NDArray[np.float64]
NEAR = 2.0  # m; the tracker itself lags behind a logged plan by 1 m and more
LOST, LEFT = "lost", "left_log"
_LOST_M = 60.0  # from the log: there nothing is annotated, and nothing can be judged
_FUTURE = 8  # logged frames that the recorded driver follows


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
        recorded: the ego follows the logged one by the tracker, and no action is asked for.

    Attributes:
        tick: of 0.1 s since the start; reason: `over`, `lost` (60 m from the log), "" before.
        left_at: s at which the ego left the log's neighbourhood; None while it has not.
        farthest: metres from the logged ego, the most up to now.
        followed: the plan that the ego follows; None before the first.

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
        recorded: bool = False,
    ) -> None:
        self.sensors = sensors or SensorConfig.build_no_sensors()
        if blobs is None and self.sensors != SensorConfig.build_no_sensors():
            raise UsageError("the agent asks for sensors", "name the folder of sensor data")
        self.log, self.start, self.maps_root = open_log(Path(log)), start, maps_root
        self.blobs, self.near, self.recorded = blobs, near, recorded
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
        self.farthest = 0.0
        self.followed: Plan | None = None

    @property
    def tick(self) -> int:
        """Ticks of 0.1 s since the start."""
        return len(self._states) - 1

    @property
    def last_tick(self) -> int:
        """The tick at which the drive is over."""
        return (self.last - self.start) * TICKS

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
        numbers = self._history()
        states = np.array([self._driven(number) for number in numbers])
        local = relative_poses(states[-1, :3], states[:, :3]).astype(np.float32)
        frames = [self.log.frames[self.start + number] for number in numbers]
        statuses = [
            status(frame, state, pose, free=number > 0)
            for frame, state, pose, number in zip(frames, states, local, numbers, strict=True)
        ]
        cameras, lidars = [], []
        for place, frame in enumerate(frames):
            names = self.sensors.get_sensors_at_iteration(place)
            blobs, path = self.blobs or Path(), frame.get("lidar_path")
            cameras.append(Cameras.from_camera_dict(blobs, frame["cams"], names, frame["token"]))
            lidars.append(Lidar.from_paths(blobs, Path(path) if path else None, names))
        return AgentInput(statuses, cameras, lidars)

    def require_ground(self, number: int) -> None:
        """Raise SceneError where the map lacks the route, or the place, of a frame as logged.

        Args:
            number: of the frame, since the start.
        """
        logged = self.log.moments(self.start + number, self.start + number + 1)[0]
        frame, (x, y) = logged.frame, logged.state[:2]
        outline = open_outline(self.maps_root, frame["map_location"])
        if outline is not None:
            outline.check(frame["roadblock_ids"], float(x), float(y), frame["token"])

    def scene(self) -> Scene:
        """What a privileged agent sees now: boxes, lights, route and map too; no future.

        Raises:
            SceneError: the map lacks the route of the frame.
        """
        self.require_ground(self.tick // TICKS)
        frames = [
            reframed(self.log.frames[self.start + number], self._driven(number))
            for number in self._history()
        ]
        none = SensorConfig.build_no_sensors()
        return Scene.from_scene_dict_list(frames, Path(), HISTORY, 0, none, self.maps_root)

    def picture(self, camera: str = "CAM_F0") -> NDArray[np.uint8]:
        """The logged picture [height, width, 3] (RGB) of the last whole frame.

        Raises:
            DataError: it is missing or damaged. UsageError: there is no folder of sensor data.
        """
        if self.blobs is None:
            raise UsageError("no picture without a folder of sensor data", "name it: blobs=")
        frame, name = self.log.frames[self.start + self.tick // TICKS], camera.lower()
        seen = Cameras.from_camera_dict(self.blobs, frame["cams"], [name], frame["token"])
        image: NDArray[np.uint8] = getattr(seen, name).image
        return image

    def advance(
        self, action: Any = None, duration: float = FRAME, latency: float = 0.0
    ) -> list[Event]:
        """Drive on for a whole number of frames; None goes on with the plan before.

        Args:
            action: a `Trajectory`, or poses [L, 3]; the recorded driver takes none.
            duration: s, a multiple of 0.5, at most 4.
            latency: s after which the action counts, a multiple of 0.1 below the duration; until
                then the plan before does, and where there is none, the action.

        Returns:
            What began in this step: `left_log`, `over`, `lost`.

        Raises:
            DataError: the action is no plan, not finite, or teleports; nothing has moved.
            UsageError: the times are none of these, or the log has ended.
        """
        late, before = self._check_times(duration, latency), self.followed
        if self.recorded:
            late, self.followed = 0, self._as_logged()
        elif action is not None:
            found = read_action(action)
            if isinstance(found, Control):
                raise DataError("a log is driven by plans", "give poses [L, 3]")
            self.followed = Plan(self.state, self._time_us(), found, interval_of_action(action))
        if self.followed is None:
            raise DataError("there is no plan yet", "give poses [L, 3]")
        ticks = min(round(duration / FRAME) * TICKS, self.last_tick - self.tick)
        self._drive(before or self.followed, min(late, ticks))
        self._drive(self.followed, ticks - min(late, ticks))
        return self._events()

    def _drive(self, plan: Plan, ticks: int) -> None:
        if ticks:
            self._states += list(plan.followed(self.state, self._time_us())[1 : 1 + ticks])

    def _events(self) -> list[Event]:
        far, found = self.distance, list[Event]()
        self.farthest = max(self.farthest, far)
        if self.left_at is None and far > self.near:
            self.left_at = self.time
            found.append(Event(self.time, LEFT))
        if far > _LOST_M:
            self.reason = LOST
        elif self.tick >= self.last_tick:
            self.reason = OVER
        return [*found, Event(self.time, self.reason)] if self.done else found

    def _check_times(self, duration: float, latency: float) -> int:
        """Ticks that a new plan comes late; raises UsageError."""
        frames, late = round(duration / FRAME), round(latency / 0.1)
        whole = abs(frames * FRAME - duration) + abs(late * 0.1 - latency) < 1e-6
        if self.done or not whole or not 0 <= latency < duration <= LONGEST:
            after = f" with a latency of {latency:g} s" if latency else ""
            raise UsageError(
                f"no step of {duration:g} s{after} in a log{f' that is {self.reason}' * self.done}",
                "multiples of 0.5 s, at most 4 s; latency in steps of 0.1 s, below that",
            )
        return late

    def _as_logged(self) -> Plan:
        """The logged way from now on, as a plan."""
        now = self.start + self.tick // TICKS
        moments = self.log.moments(now + 1, now + 1 + _FUTURE)
        poses = relative_poses(self.state[:3], np.array([found.state[:3] for found in moments]))
        return Plan(self.state, self._time_us(), poses, FRAME)

    def _history(self) -> range:
        """Numbers since the start of the frames that an agent is shown."""
        now = self.tick // TICKS
        return range(now - HISTORY + 1, now + 1)

    def _driven(self, number: int) -> Array:
        """[11] ego at a frame since the start; before it, as logged."""
        return self._past[number - 1] if number < 0 else self._states[number * TICKS]

    def _time_us(self) -> int:
        return int(self.log.frames[self.start]["timestamp"]) + self.tick * 100_000
