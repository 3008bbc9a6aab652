"""The town as scenes of AlpaSim: pictures of any pose, with everybody where the simulator says."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.serving.poses import Array, heading_of, quaternion_of, rotation_of
from reworld_agent.core.errors import DataError
from reworld_agent.scenes.synthetic.actors.traffic import STEP
from reworld_agent.scenes.synthetic.drive import Drive, Moment
from reworld_agent.scenes.synthetic.logs import AnnotatedThings
from reworld_agent.scenes.synthetic.render.cameras import CAMERAS, SENSORS, calibration
from reworld_agent.scenes.synthetic.render.renderer import TownRenderer
from reworld_agent.scenes.synthetic.rollout import make_drive

_LEVEL = 0.05  # rad: the town is flat, and its cameras look straight ahead
_SECOND = 1_000_000  # µs
CAPACITY = 4  # scenes that are kept


class TownScene:
    """One drive as a scene. Its local frame is the town's: map coordinates less its origin, m.

    Times are microseconds since the drive's first frame.

    Args:
        drive: of version 6.
    """

    def __init__(self, drive: Drive) -> None:
        self.drive, self.sensor = drive, SENSORS[drive.plan.version]
        self._things = AnnotatedThings(drive)
        self._numbers = {token: number for number, token in enumerate(self._things.tracks)}
        self._lock = threading.Lock()

    @cached_property
    def _renderer(self) -> TownRenderer:
        return TownRenderer(self.drive)

    def prepare(self) -> None:
        """Paint once: what is compiled and laid out for it is done before anybody waits."""
        with self._lock:
            self._renderer.picture(CAMERAS[0], self.drive.moment(0))

    @property
    def last_us(self) -> int:
        """The time of the last moment that was recorded."""
        return round((len(self.drive.record.s) - 1) * STEP * _SECOND)

    def trajectory(self) -> tuple[list[int], Array]:
        """Ego's recorded way: times (µs), and poses [T, 7] of its rear axle."""
        steps = range(len(self.drive.record.s))
        poses = [_upright(self.drive.ego_pose(step)) for step in steps]
        return [round(step * STEP * _SECOND) for step in steps], np.array(poses)

    def mount(self, camera: str) -> Array:
        """Where a camera sits in the rig, as a pose [7] of its optical frame."""
        own = calibration(camera, self.sensor)
        return np.array([*own.translation, *quaternion_of(own.rotation)])

    def picture(
        self, camera: str, pose: Array, time_us: int, others: dict[str, Array]
    ) -> NDArray[np.uint8]:
        """What a camera sees [height, width, 3] (BGR).

        Args:
            camera: such as CAM_F0.
            pose: [7] of its optical frame, in the local frame.
            time_us: of the drive; lights and whoever is not in `others` are as recorded then.
            others: poses [7] of things' centres by track.

        Raises:
            DataError: there is no such camera or track; or the pose is none of a car's camera.
        """
        if camera not in CAMERAS:
            raise DataError(f"the town has no camera '{camera}'", f"one of {', '.join(CAMERAS)}")
        ego = self._ego(camera, pose)
        moment = self._placed(replace(self._recorded(time_us), ego=ego), others)
        with self._lock:  # the renderer has one canvas
            return self._renderer.picture(camera, moment)

    def _ego(self, camera: str, pose: Array) -> Array:
        """The rear axle [3] of a car whose camera is at a pose."""
        own = calibration(camera, self.sensor)
        turn = rotation_of(pose) @ own.rotation.T
        if np.arccos(np.clip(turn[2, 2], -1.0, 1.0)) > _LEVEL:
            message = f"the pose of {camera} is tilted: the town is flat"
            raise DataError(message, "send ego's pose with the mount of get_available_cameras")
        heading = float(np.arctan2(turn[1, 0], turn[0, 0]))
        place = pose[:3] - turn @ own.translation
        return np.array([place[0], place[1], heading])

    def _recorded(self, time_us: int) -> Moment:
        step = round(min(max(time_us, 0), self.last_us) / _SECOND / STEP)
        return replace(self.drive.moment(step), time=time_us / _SECOND)

    def _placed(self, moment: Moment, others: dict[str, Array]) -> Moment:
        """A moment with things where a simulator says; what always stands is left there."""
        boxes, walkers = moment.boxes.copy(), moment.walkers.copy()
        for track, pose in others.items():
            number = self._numbers.get(track)
            if number is None:
                raise DataError(f"there is no track '{track}'", "send those of the scene")
            now = [*pose[:2], heading_of(pose)]
            if number < len(boxes) - 1:
                boxes[number + 1, [0, 1, 4]] = now
            elif number < len(boxes) - 1 + len(walkers):
                walkers[number - len(boxes) + 1, :3] = now
        return replace(moment, boxes=boxes, walkers=walkers)


class TownScenes:
    """The drives of a split, made when they are asked for; the last few are kept.

    Args:
        split: of version 6.
        count: of its drives.
    """

    def __init__(self, split: str, count: int) -> None:
        self.split, self.count = split, count
        self.loaded: dict[str, TownScene] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """Of all scenes, town6_test/0000."""
        return [f"{self.split}/{index:04d}" for index in range(self.count)]

    def scene(self, name: str) -> TownScene:
        """A scene by name; raises DataError where there is none."""
        if name not in self.names:
            message = f"there is no scene '{name}'"
            raise DataError(message, f"{self.split}/0000 to {self.names[-1]}")
        with self._lock:
            if name not in self.loaded:
                while len(self.loaded) >= CAPACITY:
                    self.loaded.pop(next(iter(self.loaded)))
                self.loaded[name] = TownScene(make_drive(self.split, int(name[-4:])))
            return self.loaded[name]


def _upright(pose: Array) -> Array:
    x, y, heading = pose
    return np.array([x, y, 0.0, np.cos(heading / 2), 0.0, 0.0, np.sin(heading / 2)])


def declared(scene: TownScene, camera: str) -> dict[str, Any]:
    """A camera's lens in numbers: width, height, focal length, principal point (px)."""
    width, height, focal = scene.sensor.width, scene.sensor.height, scene.sensor.focal
    calibrated = calibration(camera, scene.sensor).intrinsic
    centre = float(calibrated[0, 2]), float(calibrated[1, 2])
    return {"width": width, "height": height, "focal": focal, "centre": centre}
