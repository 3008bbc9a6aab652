"""The log replay of NAVSIM v2.2; that of v1.1 is the scene cache's `track_pose` as it stands."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import N_STEPS, SceneCache
from reworld_agent.pdm.world.geometry import (
    HALF_LENGTH,
    HALF_WIDTH,
    RADIUS,
    REAR_AXLE_TO_CENTER,
    box_meets_box,
)
from reworld_agent.pdm.world.scenery import Traffic, make_traffic

_STEPS_PER_FRAME = 5


def replay_within_4_s(cache: SceneCache, origin: NDArray[np.float64]) -> Traffic:
    """What is seen within 4 s, without what overlaps the ego at t0.

    Args:
        cache: the scene.
        origin: [2] of the local coordinates.
    """
    pose = np.full_like(cache.track_pose, np.nan)
    for k, (first, last) in enumerate(cache.track_sightings.tolist()):
        if first < 0:
            continue
        if first == last:  # the devkit keeps what is seen once where it is, all the time
            pose[:N_STEPS, k] = cache.track_pose[first * _STEPS_PER_FRAME, k]
        else:
            steps = slice(first * _STEPS_PER_FRAME, last * _STEPS_PER_FRAME + 1)
            pose[steps, k] = cache.track_pose[steps, k]
    shape = cache.track_size, cache.track_type, cache.track_speed
    traffic = make_traffic(pose, *shape, origin)
    # v2.2's replay leaves out for good what touches the ego at t0; that of v1.1 keeps it.
    pose[:, _overlapping(traffic, np.array(cache.ego_state), origin)] = np.nan
    return make_traffic(pose, *shape, origin)


def _overlapping(
    traffic: Traffic, ego_state: NDArray[np.float64], origin: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """[T] tracks whose box meets the ego's at t0."""
    x, y, heading = ego_state[:3].tolist()
    cos, sin = math.cos(heading), math.sin(heading)
    ahead = np.array([cos, sin]) * REAR_AXLE_TO_CENTER
    apart = traffic.pose[:, 0, :2] - (np.array([x, y]) + ahead - origin)
    near = np.hypot(*apart.T) <= RADIUS + traffic.traits[:, :2].sum(axis=1)
    meets = near.copy()
    for k in np.flatnonzero(near).tolist():
        dx, dy = apart[k].tolist()
        cos_k, sin_k = traffic.pose[k, 0, 2:].tolist()
        length, width = traffic.traits[k, :2].tolist()
        meets[k] = box_meets_box(
            dx, dy, cos, sin, HALF_LENGTH, HALF_WIDTH, cos_k, sin_k, length, width
        )
    return meets
