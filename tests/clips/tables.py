"""Tiny data sets in the formats of nuScenes, nuPlan and OpenScene, written by hand."""

from __future__ import annotations

import json
import pickle
import sqlite3
from pathlib import Path

import numpy as np
from PIL import Image

START = 1_533_151_600_000_000  # us
SPEED, TURN = 6.0, 0.1  # m/s, rad/s: a circle to the left


def pose_at(seconds: float) -> tuple[float, float, float]:
    """x, y (m), heading (rad) after some seconds on the circle."""
    heading = TURN * seconds
    radius = SPEED / TURN
    return 400 + radius * np.sin(heading), 1100 + radius * (1 - np.cos(heading)), heading


def rotation(heading: float) -> list[float]:
    return [float(np.cos(heading / 2)), 0.0, 0.0, float(np.sin(heading / 2))]


def picture(path: Path, number: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((9, 16, 3), 20 + number, dtype=np.uint8)
    Image.fromarray(image).save(path, quality=95)


def write_nuscenes(root: Path, scenes: int = 2, gap: tuple[int, int] = (0, 0)) -> Path:
    """Scenes of 6 s: front camera at 12 Hz, every sixth frame a keyframe; a lidar beside it.

    Args:
        root: where.
        scenes: how many.
        gap: the frames that are left out of the first scene.
    """
    tables: dict[str, list[dict]] = {name: [] for name in _NUSCENES}
    for channel in ("CAM_FRONT", "LIDAR_TOP"):
        tables["sensor"].append({"token": f"s{channel}", "channel": channel, "modality": "camera"})
        tables["calibrated_sensor"].append({"token": f"c{channel}", "sensor_token": f"s{channel}"})
    tables["log"].append({"token": "log", "location": "singapore-onenorth"})
    for scene in range(scenes):
        name = f"scene-{scene + 1:04d}"
        tables["scene"].append({"token": f"t{scene}", "name": name, "log_token": "log"})
        for k in range(72):
            if k % 6 == 0:
                tables["sample"].append({"token": f"k{scene}_{k}", "scene_token": f"t{scene}"})
            if scene == 0 and gap[0] <= k < gap[1]:
                continue
            _nuscenes_frame(root, tables, scene, k)
    folder = root / "v1.0-mini"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, rows in tables.items():
        rng.shuffle(rows)  # the real tables have no order either
        (folder / f"{name}.json").write_text(json.dumps(rows, indent=0))
    return root


_NUSCENES = ("sensor", "calibrated_sensor", "log", "scene", "sample", "sample_data", "ego_pose")


def _nuscenes_frame(root: Path, tables: dict[str, list[dict]], scene: int, k: int) -> None:
    folder = "samples" if k % 6 == 0 else "sweeps"
    jitter = (-1) ** k * 2_000
    x, y, heading = pose_at((k / 12) + jitter / 1e6)
    for channel in ("CAM_FRONT", "LIDAR_TOP"):
        name = f"{folder}/{channel}/scene{scene}_{k:03d}.jpg"
        token = f"p{scene}_{k}_{channel}"
        pose = {"token": token, "translation": [x, y, 0.0], "rotation": rotation(heading)}
        tables["ego_pose"].append({**pose, "timestamp": 0})
        tables["sample_data"].append(
            {
                "token": f"d{scene}_{k}_{channel}",
                "sample_token": f"k{scene}_{k // 6 * 6}",
                "ego_pose_token": token,
                "calibrated_sensor_token": f"c{channel}",
                "timestamp": START + scene * 10**9 + round(k * 1e6 / 12) + jitter,
                "filename": name,
                "is_key_frame": k % 6 == 0,
            }
        )
    picture(root / f"{folder}/CAM_FRONT/scene{scene}_{k:03d}.jpg", k)


def write_nuplan(root: Path, frames: int = 60) -> Path:
    """A database of one log with the front camera at 10 Hz, in nuPlan's schema."""
    path = root / "splits" / "mini" / "2021.05.12.22.00.38_veh-35_01008_01518.db"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as base:
        base.executescript(
            "CREATE TABLE camera (token BLOB PRIMARY KEY, log_token BLOB, channel VARCHAR(64));"
            "CREATE TABLE ego_pose (token BLOB PRIMARY KEY, timestamp INTEGER, x FLOAT, y FLOAT,"
            " z FLOAT, qw FLOAT, qx FLOAT, qy FLOAT, qz FLOAT, vx FLOAT, vy FLOAT, vz FLOAT,"
            " acceleration_x FLOAT, acceleration_y FLOAT, acceleration_z FLOAT,"
            " angular_rate_x FLOAT, angular_rate_y FLOAT, angular_rate_z FLOAT);"
            "CREATE TABLE image (token BLOB PRIMARY KEY, next_token BLOB, prev_token BLOB,"
            " ego_pose_token BLOB, camera_token BLOB, filename_jpg VARCHAR(128),"
            " timestamp INTEGER);"
        )
        for number, channel in enumerate(("CAM_F0", "CAM_B0")):
            camera = bytes([number] * 8)
            base.execute("INSERT INTO camera VALUES (?, ?, ?)", (camera, b"log", channel))
            for k in range(frames):
                _nuplan_frame(base, root, path.stem, channel, camera, k)
    base.close()
    return root


def _nuplan_frame(
    base: sqlite3.Connection, root: Path, log: str, channel: str, camera: bytes, k: int
) -> None:
    stamp = START + k * 100_000
    x, y, heading = pose_at(k / 10)
    token = camera[:4] + k.to_bytes(4, "big")
    values = (token, stamp, x, y, 0, *rotation(heading), SPEED, 0, 0, 0.25, 0, 0, 0, 0, TURN)
    base.execute(f"INSERT INTO ego_pose VALUES ({','.join('?' * 18)})", values)
    name = f"{log}/{channel}/{k:04d}.jpg"
    base.execute(
        "INSERT INTO image VALUES (?, ?, ?, ?, ?, ?, ?)",
        (token, None, None, token, camera, name, stamp),
    )
    picture(root / "sensor_blobs" / name, k)


def write_openscene(root: Path, frames: int = 20) -> Path:
    """One log of 2 Hz frames with what the reader needs."""
    log = "2021.07.01.08.00.00_veh-90_00000_00020"
    rows = []
    for k in range(frames):
        x, y, heading = pose_at(k / 2)
        image = f"{log}/CAM_F0/{k:04d}.jpg"
        picture(root / "sensor_blobs" / "mini" / image, k)
        rows.append(
            {
                "token": f"{k:016x}",
                "timestamp": START + k * 500_000,
                "roadblock_ids": [],
                "ego2global_translation": np.array([x, y, 0.0]),
                "ego2global_rotation": np.array(rotation(heading)),
                "ego_dynamic_state": [SPEED, 0.0, 0.5, 0.0],
                "driving_command": np.array([1, 0, 0, 0]),
                "cams": {"CAM_F0": {"data_path": image}},
            }
        )
    path = root / "navsim_logs" / "mini" / f"{log}.pkl"
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(rows))
    return root
