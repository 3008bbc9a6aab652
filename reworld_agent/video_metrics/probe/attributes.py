"""What a probe asks of a scene: how the road bends, how far the car ahead is, whether ego brakes.

All are read from the log: the human's own future and the boxes around the present.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

HORIZON = 4  # future poses at 2 Hz: 2 s
STEP = 0.5  # s
MIN_TRAVEL = 4.0  # m, below which a path shows no curvature
LANE = 1.75  # m, half the width of the corridor in which a vehicle is ahead
FAR = 40.0  # m, beyond which it is too small in the picture
BRAKING = -1.0  # m/s², mean over the horizon
REGRESSIONS = ("curvature", "lead_distance")
CLASSES = ("lead_present", "braking")
ATTRIBUTES = (*REGRESSIONS, *CLASSES)


def scene_attributes(scene: Any) -> dict[str, float]:
    """Attributes of a scene by name; NaN where one does not apply.

    curvature: 1/m, left positive, of the human's next 2 s; NaN below 4 m of travel.
    lead_distance: m from ego's rear axle to the centre of the nearest vehicle ahead within
        ±1.75 m of ego's path and 40 m; NaN where there is none.
    lead_present, braking: 0 or 1; braking is a mean acceleration of -1 m/s² or less over 2 s.
    """
    poses = np.asarray(scene.get_future_trajectory(num_trajectory_frames=HORIZON).poses)
    present = scene.frames[scene.scene_metadata.num_history_frames - 1]
    speed = float(np.hypot(*present.ego_status.ego_velocity))
    lead = lead_distance(present.annotations, poses)
    return {
        "curvature": curvature(poses),
        "lead_distance": lead,
        "lead_present": float(not math.isnan(lead)),
        "braking": float(acceleration(speed, poses) <= BRAKING),
    }


def _steps(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances [T] in m between consecutive poses, from the present on."""
    return np.hypot(*np.diff(np.concatenate([np.zeros((1, 2)), poses[:, :2]]), axis=0).T)


def curvature(poses: NDArray[np.float64]) -> float:
    """Change of heading over distance, 1/m, of poses [T, 3] (ego frame)."""
    travelled = float(_steps(poses).sum())
    if travelled < MIN_TRAVEL:
        return math.nan
    headings = np.unwrap(np.concatenate([[0.0], poses[:, 2]]))
    return float(headings[-1] - headings[0]) / travelled


def acceleration(speed: float, poses: NDArray[np.float64]) -> float:
    """Mean acceleration, m/s²: from `speed` (m/s) now to that of the last step."""
    later = float(_steps(poses)[-1]) / STEP
    return (later - speed) / (STEP * (len(poses) - 0.5))


def lead_distance(annotations: Any, poses: NDArray[np.float64]) -> float:
    """Metres to the nearest vehicle ahead, along the path that bends as the human's does."""
    boxes = np.asarray(annotations.boxes, dtype=np.float64).reshape(-1, 7)
    vehicles = boxes[np.array([name == "vehicle" for name in annotations.names], dtype=bool)]
    bend = curvature(poses)
    bend = 0.0 if math.isnan(bend) else bend
    x, y = vehicles[:, 0], vehicles[:, 1]
    ahead = (x > 0) & (np.hypot(x, y) < FAR) & (np.abs(y - bend * x**2 / 2) < LANE)
    return float(np.hypot(x, y)[ahead].min()) if ahead.any() else math.nan
