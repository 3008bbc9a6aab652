"""What an agent is shown: pictures, and NAVSIM's `AgentInput` of the ticks so far."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import UsageError
from reworld_agent.core.extras import require_installed
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.geometry import relative_poses
from reworld_agent.scenes.synthetic.drive import Drive, Moment
from reworld_agent.scenes.synthetic.logs import Motion
from reworld_agent.scenes.synthetic.render.cameras import SENSORS, calibration
from reworld_agent.scenes.types import AgentInput, Camera, Cameras, EgoStatus, Lidar, SensorConfig

Array = NDArray[np.float64]
JPEG_QUALITY = 90  # as the pictures of a split on disk
FRAME_TICKS = 5  # 0.5 s between two frames of the history


class Tick(NamedTuple):
    """The world at one time, 0.1 s after the one before."""

    moment: Moment
    state: Array  # [11] ego, global
    motion: Motion
    s: float  # m along its route
    command: Array  # int [4], NAVSIM's driving command


class Sight:
    """The cameras of one drive; pictures are painted when they are asked for, once.

    Args:
        drive: whose town it is.
        sensors: which cameras an agent wants of which frame of the history.
        frames: of the history, the present one included.

    Raises:
        UsageError: the lidar is asked for; the town has none.
    """

    def __init__(self, drive: Drive, sensors: SensorConfig, frames: int) -> None:
        self.check(sensors)
        self.drive, self.sensors, self.frames = drive, sensors, frames
        self._renderer: Any = None
        self._pictures: dict[tuple[int, str], NDArray[np.uint8]] = {}

    @staticmethod
    def check(sensors: SensorConfig) -> None:
        """Raise UsageError where an agent asks for a sensor that the town has not."""
        if sensors.lidar_pc:
            raise UsageError("the agent asks for the lidar", "the town has cameras only")

    def agent_input(self, ticks: dict[int, Tick], now: int) -> AgentInput:
        """The history up to a tick, as NAVSIM hands it to an agent."""
        numbers = [now - FRAME_TICKS * k for k in reversed(range(self.frames))]
        shown = [ticks[number] for number in numbers]
        poses = np.array([tick.state[:3] for tick in shown])
        local = relative_poses(poses[-1], poses).astype(np.float32)
        statuses = [_status(tick, pose) for tick, pose in zip(shown, local, strict=True)]
        cameras = [
            self._cameras(ticks, number, self.sensors.get_sensors_at_iteration(k))
            for k, number in enumerate(numbers)
        ]
        self._forget(numbers[0])
        return AgentInput(statuses, cameras, [Lidar() for _ in numbers])

    def picture(self, tick: int, moment: Moment, camera: str) -> NDArray[np.uint8]:
        """What a camera sees [height, width, 3] (RGB) at a tick, as a split's JPEG files hold it.

        Args:
            tick: under which the picture is kept; moment: of that tick.
            camera: such as CAM_F0.
        """
        key = (tick, camera)
        if key not in self._pictures:
            self._pictures[key] = self._painted(moment, camera)
        return self._pictures[key]

    def _painted(self, moment: Moment, camera: str) -> NDArray[np.uint8]:
        # a loop without cameras needs neither OpenCV nor the renderer
        require_installed("cv2")
        import cv2  # noqa: PLC0415 - heavy, of an extra

        from reworld_agent.scenes.synthetic.render.renderer import TownRenderer  # noqa: PLC0415

        self._renderer = self._renderer or TownRenderer(self.drive)
        image = self._renderer.picture(camera, moment)
        packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        return _unpacked(packed.tobytes())

    def _cameras(self, ticks: dict[int, Tick], number: int, wanted: list[str]) -> Cameras:
        cameras = {name: Camera() for name in CAMERA_NAMES}
        for name in wanted:
            known = calibration(name.upper(), SENSORS[self.drive.plan.version])
            cameras[name] = Camera(
                # a copy: it is kept for the next plans, and an agent may write into its own
                image=self.picture(number, ticks[number].moment, name.upper()).copy(),
                sensor2lidar_rotation=known.rotation,
                sensor2lidar_translation=known.translation,
                intrinsics=known.intrinsic,
                distortion=known.distortion,
                camera_path=f"{self.drive.name}/{name.upper()}/{number:+04d}.jpg",
            )
        return Cameras(**cameras)

    def _forget(self, before: int) -> None:
        for key in [key for key in self._pictures if key[0] < before]:
            del self._pictures[key]


def sensors_of(cameras: tuple[str, ...]) -> SensorConfig:
    """All frames of these cameras (CAM_F0 ...); raises UsageError where there is none such."""
    names = {name.lower() for name in cameras}
    unknown = names - set(CAMERA_NAMES)
    if unknown:
        known = ", ".join(name.upper() for name in CAMERA_NAMES)
        raise UsageError(f"there is no camera {sorted(unknown)[0].upper()}", f"use {known}")
    config = SensorConfig.build_no_sensors()
    for name in names:
        setattr(config, name, True)
    return config


def _status(tick: Tick, pose: Array) -> EgoStatus:
    state, motion = tick.state, tick.motion
    return EgoStatus(
        ego_pose=pose,
        ego_velocity=np.array([state[3], state[4]], dtype=np.float32),
        ego_acceleration=np.array([motion.acceleration, motion.aside], dtype=np.float32),
        driving_command=tick.command.astype(np.int64),
    )


def _unpacked(packed: bytes) -> NDArray[np.uint8]:
    """A JPEG as the loader of scenes decodes it."""
    from PIL import Image  # noqa: PLC0415 - of the same extra as OpenCV

    with Image.open(io.BytesIO(packed)) as image:
        return np.array(image.convert("RGB"))
