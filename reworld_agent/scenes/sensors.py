"""Cameras, lidar, and which of them are loaded for which frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.core.images import load_image
from reworld_agent.scenes.camera_names import CAMERA_NAMES, in_logs
from reworld_agent.scenes.pcd import read_pcd

_IMAGE_HINT = "download the image again, or leave its log out with scene_filter.log_names"
_CAMERA_HINT = "download the log again, or leave the scene out with scene_filter.tokens"
_CAMERA_KEYS = (
    *("data_path", "sensor2lidar_rotation", "sensor2lidar_translation", "cam_intrinsic"),
    "distortion",
)


@dataclass
class Camera:
    """One image with its calibration; every field None where it was not asked for.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        sensor2lidar_rotation: [3, 3] camera (x right, y down, z forward) to ego frame.
        sensor2lidar_translation: [3] m, of the camera in the ego frame.
        intrinsics: [3, 3] pixels.
        distortion: [5] OpenCV's k1, k2, p1, p2, k3.
        camera_path: of the image, relative to the folder of sensor data.
    """

    image: NDArray[np.uint8] | None = None
    sensor2lidar_rotation: NDArray[np.float64] | None = None
    sensor2lidar_translation: NDArray[np.float64] | None = None
    intrinsics: NDArray[np.float64] | None = None
    distortion: NDArray[np.float64] | None = None
    camera_path: Path | str | None = None


@dataclass
class Cameras:
    """The eight cameras of one frame: front, left 0-2, right 0-2, back."""

    cam_f0: Camera
    cam_l0: Camera
    cam_l1: Camera
    cam_l2: Camera
    cam_r0: Camera
    cam_r1: Camera
    cam_r2: Camera
    cam_b0: Camera

    @classmethod
    def from_camera_dict(
        cls,
        sensor_blobs_path: Path,
        camera_dict: dict[str, Any],
        sensor_names: list[str],
        token: str = "?",
    ) -> Cameras:
        """Load the cameras in `sensor_names`, leave the others empty.

        Args:
            sensor_blobs_path: folder of sensor data that the log's paths start from.
            camera_dict: `cams` of a frame dict.
            sensor_names: names such as `cam_f0`.
            token: of the frame, for messages.

        Raises:
            DataError: an image is missing or cut short, or a camera is not in the frame.
        """
        cameras = {name: Camera() for name in CAMERA_NAMES}
        for name, entry in camera_entries(camera_dict, token).items():
            if name in sensor_names:
                check_camera(entry, name, token)
                cameras[name] = Camera(
                    image=read_image(Path(sensor_blobs_path) / entry["data_path"], token),
                    sensor2lidar_rotation=entry["sensor2lidar_rotation"],
                    sensor2lidar_translation=entry["sensor2lidar_translation"],
                    intrinsics=entry["cam_intrinsic"],
                    distortion=entry["distortion"],
                    camera_path=entry["data_path"],
                )
        return cls(**cameras)


@dataclass
class Lidar:
    """One merged point cloud, or nothing where it was not asked for.

    Attributes:
        lidar_pc: float32 [6, N]: x, y, z [m, ego frame], intensity, ring, lidar id.
        lidar_path: relative to the folder of sensor data.
    """

    lidar_pc: NDArray[np.float32] | None = None
    lidar_path: Path | None = None

    @classmethod
    def from_paths(
        cls, sensor_blobs_path: Path, lidar_path: Path | None, sensor_names: list[str]
    ) -> Lidar:
        """Load the point cloud where `sensor_names` holds `lidar_pc`; raises DataError."""
        if "lidar_pc" not in sensor_names:
            return cls()
        return cls(read_pcd(Path(sensor_blobs_path) / lidar_file(lidar_path)), lidar_path)


@dataclass
class SensorConfig:
    """Which sensors to load: True (every frame), False, or a list of frame numbers.

    Frames count from 0, the oldest of the history; 3 is the present one of the benchmark's
    windows, 4 and on are future frames, which only a whole `Scene` has.
    """

    cam_f0: bool | list[int]
    cam_l0: bool | list[int]
    cam_l1: bool | list[int]
    cam_l2: bool | list[int]
    cam_r0: bool | list[int]
    cam_r1: bool | list[int]
    cam_r2: bool | list[int]
    cam_b0: bool | list[int]
    lidar_pc: bool | list[int]

    def get_sensors_at_iteration(self, iteration: int) -> list[str]:
        """Names of the sensors to load for frame number `iteration`."""
        wishes = {item.name: getattr(self, item.name) for item in fields(self)}
        return [
            name
            for name, wish in wishes.items()
            if wish is True or (not isinstance(wish, bool) and iteration in wish)
        ]

    @classmethod
    def build_all_sensors(cls, include: bool | list[int] = True) -> SensorConfig:
        """The same wish for every camera and the lidar."""
        return cls(**{item.name: include for item in fields(cls)})

    @classmethod
    def build_no_sensors(cls) -> SensorConfig:
        """No sensor at all."""
        return cls.build_all_sensors(False)


def camera_entries(camera_dict: Mapping[str, Any], token: str) -> dict[str, Mapping[str, Any]]:
    """The entry of each camera by its name (`cam_f0`) in one frame's `cams`.

    Raises:
        DataError: a camera has none; the devkit asks for all eight, whatever an agent wants.
    """
    entries = {str(name).lower(): entry for name, entry in camera_dict.items()}
    missing = [name for name in CAMERA_NAMES if name not in entries]
    if missing:
        raise DataError(
            f"frame {token} has no camera '{missing[0].upper()}' (nor could NAVSIM's devkit load "
            "this scene)",
            _CAMERA_HINT,
        )
    return {name: entries[name] for name in CAMERA_NAMES}


def lidar_file(path: Path | str | None) -> str:
    """The point cloud that is asked for; raises DataError where the frame has none."""
    if not path:
        raise DataError("the lidar is asked for, but this frame has none", "set lidar_pc=False")
    return str(path)


def check_camera(entry: Mapping[str, Any], name: str, token: str) -> None:
    """Check that a camera that is asked for has its image and calibration; raises DataError."""
    missing = [key for key in _CAMERA_KEYS if key not in entry]
    if missing or not isinstance(entry["data_path"], str):
        key = missing[0] if missing else "data_path"
        raise DataError(
            f"frame {token}: its camera '{name.upper()}' has no '{key}' (nor could NAVSIM's devkit "
            "give this camera to an agent)",
            _CAMERA_HINT,
        )


def cameras_of(sensors: Iterable[SensorConfig]) -> tuple[str, ...]:
    """Cameras that any of some wishes asks for, as an embedded split names them (CAM_F0)."""
    wishes = list(sensors)
    wanted = [name for name in CAMERA_NAMES if any(getattr(wish, name) for wish in wishes)]
    return in_logs(wanted)


def read_image(path: Path, token: str = "?") -> NDArray[np.uint8]:
    """An image file as uint8 [H, W, 3], RGB; see `core.images.load_image`.

    Raises:
        DataError: it is missing, cut short or no image; names the file and the frame's token.
    """
    return load_image(path, f"image of frame {token}", _IMAGE_HINT, _IMAGE_HINT)


def check_image(path: Path, token: str) -> None:
    """Raise DataError where the image of a frame is not there, without opening it."""
    if not path.is_file():
        raise DataError(f"{path}: image of frame {token} is missing", _IMAGE_HINT)


def check_image_sizes(cameras: Sequence[Cameras], tokens: Sequence[str]) -> None:
    """One camera has one image size over all frames of a scene.

    Raises:
        DataError: naming the first file that differs, its frame's token and both sizes.
    """
    for name in CAMERA_NAMES:
        expected: tuple[int, ...] | None = None
        for frame, token in zip(cameras, tokens, strict=True):
            camera: Camera = getattr(frame, name)
            if camera.image is None:
                continue
            expected = expected or camera.image.shape
            if camera.image.shape != expected:
                raise DataError(
                    f"{camera.camera_path}: image of frame {token} is {_size(camera.image.shape)}, "
                    f"the frames before it {_size(expected)}",
                    _IMAGE_HINT,
                )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
