"""Small hand-made logs in NAVSIM's format, for tests: a car that drives straight or in a circle."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SPLIT = "small"
CAMERAS = ("CAM_F0", "CAM_L0", "CAM_L1", "CAM_L2", "CAM_R0", "CAM_R1", "CAM_R2", "CAM_B0")


def make_frame(
    log_name: str,
    index: int,
    speed: float = 5.0,
    yaw_rate: float = 0.0,
    start_x: float = 1000.0,
    start_y: float = 2000.0,
) -> dict:
    """Frame number `index` of a car at constant speed [m/s] and yaw rate [rad/s], 2 Hz."""
    time = 0.5 * index
    yaw = yaw_rate * time
    if yaw_rate:
        x, y = speed / yaw_rate * np.sin(yaw), speed / yaw_rate * (1 - np.cos(yaw))
    else:
        x, y = speed * time, 0.0
    token = f"{abs(hash_name(log_name)) % 2**32:08x}{index:08x}"
    camera = {
        "sensor2lidar_rotation": np.eye(3),
        "sensor2lidar_translation": np.zeros(3),
        "cam_intrinsic": np.eye(3),
        "distortion": np.zeros(5),
    }
    return {
        "token": token,
        "timestamp": 1_600_000_000_000_000 + 500_000 * index,
        "log_name": log_name,
        "scene_token": f"scene-{log_name}",
        "map_location": "us-ma-boston",
        "ego2global_translation": np.array([start_x + x, start_y + y, 0.0]),
        "ego2global_rotation": np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]),
        "ego_dynamic_state": [speed, 0.0, 0.0, 0.0],
        "driving_command": np.array([0, 1, 0, 0]),
        "roadblock_ids": ["1"],
        "traffic_lights": [],
        "lidar_path": f"{log_name}/MergedPointCloud/{token}.pcd",
        "cams": {
            name: {**camera, "data_path": f"{log_name}/{name}/{token}.jpg"} for name in CAMERAS
        },
        "anns": {
            "gt_boxes": np.array([[20.0, 0.0, 0.8, 4.5, 1.9, 1.6, 0.0]]),
            "gt_names": np.array(["vehicle"]),
            "gt_velocity_3d": np.array([[5.0, 0.0, 0.0]]),
            "instance_tokens": [f"box-{token}"],
            "track_tokens": ["track-0"],
        },
    }


def hash_name(name: str) -> int:
    """A number of a name, the same in every process."""
    return int.from_bytes(name.encode(), "big") % (2**32 - 5)


def make_log(name: str, count: int = 16, **motion: float) -> list[dict[str, Any]]:
    """A log of `count` frames."""
    return [make_frame(name, index, **motion) for index in range(count)]


def write_split(root: Path, logs: dict[str, list[dict[str, Any]]]) -> Path:
    """Write logs as split `small`; returns the folder of logs."""
    folder = root / "navsim_logs" / SPLIT
    folder.mkdir(parents=True, exist_ok=True)
    for name, frames in logs.items():
        with (folder / f"{name}.pkl").open("wb") as stream:
            pickle.dump(frames, stream, protocol=pickle.HIGHEST_PROTOCOL)
    return folder


def write_images(
    root: Path, frames: list[dict[str, Any]], size: tuple[int, int] = (32, 18)
) -> Path:
    """A grey front image (its level is the frame's number) for each frame; returns the folder."""
    blobs = root / "sensor_blobs" / SPLIT
    for index, frame in enumerate(frames):
        path = blobs / frame["cams"]["CAM_F0"]["data_path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (index, index, index)).save(path, quality=95)
    return blobs
