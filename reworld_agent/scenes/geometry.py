"""Planar poses: yaw of a quaternion, global poses seen from another pose.

The order of operations is the devkit's, so that results are equal to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_UNIT_TOLERANCE = 1e-14


def quaternion_yaw(quaternion: Any) -> float:
    """Yaw [rad] of a quaternion (w, x, y, z), normalised first where it is not of unit length."""
    q = np.asarray(quaternion, dtype=np.float64)
    squares = np.dot(q, q)
    if abs(1.0 - squares) >= _UNIT_TOLERANCE and squares > 0:
        q = q / np.sqrt(squares)
    w, x, y, z = q
    return float(np.arctan2(2 * (w * z - x * y), 1 - 2 * (y**2 + z**2)))


def relative_poses(origin: NDArray[np.float64], poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Poses [N, 3] (x m, y m, heading rad) as seen from `origin` [3]; headings in [-π, π]."""
    theta = -origin[2]
    cosine, sine = np.cos(theta), np.sin(theta)
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    relative = poses - origin[None]
    relative[:, :2] = relative[:, :2] @ rotation.T
    relative[:, 2] = np.arctan2(np.sin(relative[:, 2]), np.cos(relative[:, 2]))
    return relative


def frame_pose(frame: dict[str, Any]) -> NDArray[np.float64]:
    """Global pose [3] of the rear axle in one frame dict: x, y [m], heading [rad]."""
    x, y = frame["ego2global_translation"][:2]
    return np.array([x, y, quaternion_yaw(frame["ego2global_rotation"])], dtype=np.float64)
