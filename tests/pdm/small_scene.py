"""A log on the hand-made map: the ego drives east in lane 12, ten more frames follow."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.scenes.small_logs import make_frame
from tests.scenes.small_map import ORIGIN, write_map

SPLIT = "small"
LOG = "log-0"
Change = dict[str, Any]


def frames(
    x: float = 10.0, y: float = -2.0, yaw: float = 0.0, speed: float = 5.0, n: int = 14
) -> list[dict[str, Any]]:
    """Frames of a car at constant speed [m/s]; places relative to the map's origin [m]."""
    log = []
    for k in range(n):
        frame = make_frame(LOG, k, speed)
        ahead = speed * 0.5 * k * np.array([np.cos(yaw), np.sin(yaw)])
        frame["ego2global_translation"] = np.append(ORIGIN + np.array([x, y]) + ahead, 0.0)
        frame["ego2global_rotation"] = np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])
        frame["roadblock_ids"] = ["1", "2", "3"]
        frame["anns"] = annotated({})
        log.append(frame)
    return log


def annotated(
    objects: Mapping[str, tuple[str, Sequence[float], Sequence[float]]],
) -> dict[str, Any]:
    """Track token → class, box (x, y, z, length, width, height, yaw) and velocity, ego frame."""
    values = list(objects.values())
    return {
        "gt_boxes": np.array([box for _, box, _ in values], float).reshape(-1, 7),
        "gt_names": np.array([name for name, _, _ in values], str),
        "gt_velocity_3d": np.array([v for _, _, v in values], float).reshape(-1, 3),
        "instance_tokens": list(objects),
        "track_tokens": list(objects),
    }


def write(root: Path, log: list[dict[str, Any]]) -> None:
    """Write the log and the map as a data set."""
    folder = root / "navsim_logs" / SPLIT
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{LOG}.pkl").write_bytes(pickle.dumps(log))
    write_map(root / "maps")
