"""What must be known of a camera before anything is drawn into its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.scenes.sensors import Camera

FRONT = "cam_f0"
_STANDS_ON_ROAD_M = 30.0
_SHAPES = {
    "sensor2lidar_rotation": (3, 3),
    "sensor2lidar_translation": (3,),
    "intrinsics": (3, 3),
    "distortion": (5,),
}


def check_calibration(camera: Camera, name: str, log: Path, token: str) -> None:
    """Raise DataError where a camera's calibration cannot be used."""
    for item, shape in _SHAPES.items():
        value = np.asarray(getattr(camera, item), np.float64)
        if value.shape != shape or not np.isfinite(value).all():
            raise DataError(
                f"{log}: frame {token}: {name.upper()} has no usable {item} (shape {value.shape})",
                "the log is damaged: download it again",
            )


def road_height(boxes: NDArray[np.float64]) -> float:
    """Height [m] of the road in the ego frame: median underside of boxes [N, 7] within 30 m."""
    near = boxes[np.hypot(boxes[:, 0], boxes[:, 1]) < _STANDS_ON_ROAD_M]
    return float(np.median(near[:, 2] - near[:, 5] / 2.0)) if len(near) else 0.0
