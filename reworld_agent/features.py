"""What the model sees of a scene, and what it learns from: NAVSIM objects to tensors.

Plain functions of any object with the devkit's fields (`AgentInput`, `Scene`); the agent wraps
them in feature and target builders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reworld_agent.config import FRONT, ClipConfig, ModelConfig
from reworld_agent.core.errors import ConfigError, SceneError
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.scene import NAVSIM_INTERVAL_LENGTH

SENSORS = (*CAMERA_NAMES, "lidar_pc")


def sensor_wishes(config: ModelConfig, future: bool = False) -> dict[str, Any]:
    """The arguments of a `SensorConfig`: the model's cameras in the frames of its clip.

    Args:
        config: the model.
        future: also in the frames after the current one.
    """
    clip = config.clip
    frames = list(range(clip.history_frames + future * clip.future_frames))
    wishes: dict[str, Any] = dict.fromkeys(SENSORS, False)
    return wishes | {name: list(frames) for name in config.cameras}


def resize_image(
    image: npt.NDArray[np.uint8], height: int, width: int, how: str = "area"
) -> npt.NDArray[np.uint8]:
    """uint8 [H, W, 3] to [height, width, 3].

    `area`: pixel areas to shrink, bilinear to enlarge; `bilinear`: always that, without
    antialiasing, in float32 and rounded.
    """
    if image.shape[:2] == (height, width):
        return image
    if how == "bilinear":
        exact = cv2.resize(image.astype(np.float32), (width, height))
        return exact.round().clip(0, 255).astype(np.uint8)
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=method)
    return cast("npt.NDArray[np.uint8]", resized)  # of the image's own type


def frame_image(
    cameras: Any, clip: ClipConfig, where: str, names: Sequence[str] = FRONT
) -> npt.NDArray[np.uint8]:
    """The images of one frame, one below the other: uint8 [3, views * height, width].

    Args:
        cameras: a `Cameras`, the `image` of each asked for uint8 [H, W, 3] RGB of any size.
        clip: the wanted size of each.
        where: names the frame in the error.
        names: of the cameras.
    """
    images = [_camera_image(cameras, name, where) for name in names]
    resized = [resize_image(image, clip.height, clip.width, clip.resize) for image in images]
    return np.ascontiguousarray(np.concatenate(resized).transpose(2, 0, 1))


def _camera_image(cameras: Any, name: str, where: str) -> npt.NDArray[np.uint8]:
    image = getattr(getattr(cameras, name, None), "image", None)
    called = "front camera image" if (name,) == FRONT else f"image of {name.upper()}"
    if image is None:
        raise SceneError(
            f"{where} has no {called}",
            f"ask for {name.upper()} of this frame in the SensorConfig, and check sensor_blobs",
        )
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise SceneError(
            f"{where}: {called} is {image.dtype} {image.shape}", "it must be uint8 [H, W, 3], RGB"
        )
    return image


def ego_features(status: Any) -> Tensor:
    """Float32 [8]: velocity (m/s) and acceleration (m/s²), x and y, and the command's one-hot."""
    parts = (status.ego_velocity, status.ego_acceleration, status.driving_command)
    values = np.concatenate([np.asarray(part, dtype=np.float32).ravel() for part in parts])
    if values.shape != (8,):
        raise SceneError(
            f"the ego status has {len(values)} values",
            "needed: velocity 2, acceleration 2, driving command 4",
        )
    if not np.isfinite(values).all():
        raise SceneError(f"the ego status is not finite: {values.tolist()}", "check the log")
    return torch.from_numpy(values)


def build_features(agent_input: Any, config: ModelConfig) -> dict[str, Tensor]:
    """Inputs of one scene: `images` uint8 [T, 3, V H, W], oldest first, and `ego` float32 [8].

    The images of V cameras stand one below the other, in the order of the model's.
    """
    clip = config.clip
    cameras = agent_input.cameras[-clip.history_frames :]
    if len(cameras) < clip.history_frames:
        raise SceneError(
            f"the scene has {len(cameras)} history frames, the model needs {clip.history_frames}",
            f"use a scene filter with num_history_frames={clip.history_frames}",
        )
    names = config.cameras
    images = [frame_image(c, clip, f"history frame {i}", names) for i, c in enumerate(cameras)]
    return {
        "images": torch.from_numpy(np.stack(images)),
        "ego": ego_features(agent_input.ego_statuses[-1]),
    }


def future_frames(scene: Any, config: ModelConfig) -> list[Any]:
    """The frames after the current one that the model's clip covers."""
    current = scene.scene_metadata.num_history_frames
    frames = scene.frames[current : current + config.clip.future_frames]
    if len(frames) < config.clip.future_frames:
        raise SceneError(
            f"scene {scene.scene_metadata.initial_token} has {len(frames)} future frames, "
            f"the model needs {config.clip.future_frames}",
            "use a scene filter with num_future_frames=10",
        )
    return frames


def build_targets(scene: Any, config: ModelConfig, future_images: bool) -> dict[str, Tensor]:
    """What one scene teaches.

    Args:
        scene: a `Scene` with its future.
        config: the model.
        future_images: also give `future_images` (Stage 1), which must then be loaded.

    Returns:
        `trajectory` float32 [L, 3], the expert's poses (m, m, rad; ego frame, 2 Hz), and
        `future_images` uint8 [T, 3, V H, W] where asked, as `images` are.

    Raises:
        ConfigError: the model's plans are not at the logs' 2 Hz.
    """
    horizon, interval = config.planner.horizon, config.planner.interval
    if interval != NAVSIM_INTERVAL_LENGTH:
        raise ConfigError(
            f"planner.interval = {interval}: logs have a pose every {NAVSIM_INTERVAL_LENGTH} s",
            "such a model can plan; train with interval: 0.5",
        )
    poses = scene.get_future_trajectory(num_trajectory_frames=horizon).poses
    targets = {"trajectory": torch.as_tensor(np.asarray(poses), dtype=torch.float32)}
    if future_images:
        frames = future_frames(scene, config)
        images = [
            frame_image(f.cameras, config.clip, f"future frame {f.token}", config.cameras)
            for f in frames
        ]
        targets["future_images"] = torch.from_numpy(np.stack(images))
    return targets
