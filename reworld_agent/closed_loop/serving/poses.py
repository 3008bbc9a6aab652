"""Poses of AlpaSim's contract: a translation and a quaternion, as float64.

The `local` frame is the simulator's (x, y, z up, m); the `rig` is ego: x forward, y left, z up, its
origin on the ground below the rear axle, which is NAVSIM's ego frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from carla_driver_interface.protocol import Pose, Quat, Vec3
from numpy.typing import NDArray

Array = NDArray[np.float64]
_SMALLEST = 1e-6  # a shorter quaternion is one that was not set


def read_pose(message: Any) -> Array:
    """A pose [7] of a message: x, y, z (m), w, x, y, z (unit quaternion); not set = identity.

    Raises:
        ValueError: it is not finite.
    """
    vec, quat = message.vec, message.quat
    pose = np.array([vec.x, vec.y, vec.z, quat.w, quat.x, quat.y, quat.z], np.float64)
    if not np.isfinite(pose).all():
        raise ValueError(f"a pose is not finite: {pose.tolist()}")
    length = float(np.linalg.norm(pose[3:]))
    pose[3:] = (1.0, 0.0, 0.0, 0.0) if length < _SMALLEST else pose[3:] / length
    return pose


def write_pose(pose: Array) -> Any:
    """The message of a pose [7]."""
    x, y, z, *quat = (float(value) for value in pose)
    w, i, j, k = quat
    return Pose(vec=Vec3(x=x, y=y, z=z), quat=Quat(w=w, x=i, y=j, z=k))


def rotation_of(pose: Array) -> Array:
    """The rotation [3, 3] of a pose [7]."""
    w, x, y, z = pose[3:]
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_of(rotation: Array) -> Array:
    """The unit quaternion [4] (w, x, y, z; w >= 0) of a rotation [3, 3].

    Of the four formulas for it, the one whose root is the largest loses no digits.
    """
    trace = np.trace(rotation)
    squares = np.array([trace, *(2 * rotation[k, k] - trace for k in range(3))])
    most = int(np.argmax(squares))
    root = np.sqrt(max(1.0 + squares[most], 0.0))
    quat = np.empty(4)
    quat[most] = 0.5 * root
    odd = [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0]]
    odd.append(rotation[1, 0] - rotation[0, 1])
    if most == 0:
        quat[1:] = np.array(odd) * 0.5 / root
    else:
        i, (j, k) = most - 1, [(1, 2), (2, 0), (0, 1)][most - 1]
        quat[0] = odd[i] * 0.5 / root
        quat[1 + j] = (rotation[j, i] + rotation[i, j]) * 0.5 / root
        quat[1 + k] = (rotation[k, i] + rotation[i, k]) * 0.5 / root
    return quat if quat[0] >= 0.0 else -quat


def heading_of(pose: Array) -> float:
    """The heading (rad) of a pose [7]: of its x axis, seen from above."""
    axis = rotation_of(pose)[:, 0]
    return float(np.arctan2(axis[1], axis[0]))


def planar(pose: Array) -> Array:
    """x, y (m), heading (rad) [3] of a pose [7]."""
    return np.array([pose[0], pose[1], heading_of(pose)])


def placed(anchor: Array, poses: Array) -> Array:
    """Poses [L, 3] (x, y, heading) of the rig at `anchor` [7], as poses [L, 7] of its frame."""
    turn, (w, x, y, z) = rotation_of(anchor), anchor[3:]
    made = np.empty((len(poses), 7))
    made[:, :3] = anchor[:3] + np.pad(poses[:, :2], ((0, 0), (0, 1))) @ turn.T
    cos, sin = np.cos(poses[:, 2] / 2), np.sin(poses[:, 2] / 2)
    made[:, 3:] = np.stack(
        [w * cos - z * sin, x * cos + y * sin, y * cos - x * sin, z * cos + w * sin], -1
    )
    return made
