"""Poses and boxes in the ego frame of t0: rear axle, x forward, y left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.world.geometry import LENGTH, REAR_AXLE_TO_CENTER, WIDTH

Array = NDArray[np.float64]


def to_ego(points: Array, ego: Array) -> Array:
    """Global x, y [..., 2] (m) to the ego frame of a pose (x, y, heading): x forward, y left."""
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    delta = points - ego[:2]
    return np.stack(
        [delta[..., 0] * cos + delta[..., 1] * sin, delta[..., 1] * cos - delta[..., 0] * sin], -1
    )


def poses_to_ego(poses: Array, ego: Array) -> Array:
    """Global poses [..., 3] to the ego frame of a pose."""
    heading = poses[..., 2:] - ego[2]
    return np.concatenate([to_ego(poses[..., :2], ego), heading], axis=-1)


def box_corners(pose: Array, length: float, width: float) -> Array:
    """Corners [4, 2] of a box centred at a pose (x, y, heading), sizes in m.

    Front left, rear left, rear right, front right: the order of `drivable_area.CORNERS`.
    """
    forward = np.array([np.cos(pose[2]), np.sin(pose[2])]) * length / 2
    left = np.array([-np.sin(pose[2]), np.cos(pose[2])]) * width / 2
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return np.stack([pose[:2] + a * forward + b * left for a, b in signs])


def ego_box(pose: Array, ahead_m: float = 0.0) -> Array:
    """Corners [4, 2] of the ego at a rear-axle pose, driven straight on by `ahead_m`."""
    shift = REAR_AXLE_TO_CENTER + ahead_m
    centre = pose[:2] + shift * np.array([np.cos(pose[2]), np.sin(pose[2])])
    return box_corners(np.array([*centre, pose[2]]), LENGTH, WIDTH)


def track_box(cache: SceneCache, track: int, step: int) -> Array:
    """Corners [4, 2] of an object in the ego frame of t0; NaN where it is absent."""
    pose = poses_to_ego(cache.track_pose[step, track], cache.ego_state[:3])
    length, width = cache.track_size[track].tolist()
    return box_corners(pose, length, width)
