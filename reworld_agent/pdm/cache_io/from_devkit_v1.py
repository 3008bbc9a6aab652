"""Scene caches from `metric_cache.pkl` of NAVSIM v1.1; see `from_devkit`.

They hold what PDMS reads and nothing of v2.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.cache_io.devkit_parts import ego_array, polygon_fields, sampled_poses
from reworld_agent.pdm.scene_cache import N_REPLAY_STEPS, TRACK_TYPES, SceneCache


def convert_metric_cache(
    metric_cache: Any, token: str, log_name: str, map_name: str = ""
) -> SceneCache:
    """A `navsim.planning.metric_caching.metric_cache.MetricCache` of v1.1 as a scene cache."""
    ego_state = metric_cache.ego_state
    time_us = int(ego_state.time_point.time_us)
    return SceneCache(
        token=token,
        log_name=log_name,
        map_name=map_name,
        time_us=time_us,
        ego_state=ego_array(ego_state),
        centerline=np.array([pose.serialize() for pose in metric_cache.centerline.discrete_path]),
        pdm_closed_poses=sampled_poses(metric_cache.trajectory, time_us),
        **_tracks(metric_cache.observation),
        **polygon_fields(metric_cache.drivable_area_map, set(metric_cache.route_lane_ids)),
    )


def _box_pose(polygon: Any) -> NDArray[np.float64]:
    """Centre x, y and heading of a box polygon (corners FL, RL, RR, FR)."""
    corners = np.array(polygon.exterior.coords)[:4]
    ahead = corners[0] + corners[3] - corners[1] - corners[2]
    return np.array([*corners.mean(axis=0), np.arctan2(ahead[1], ahead[0])])


def _tracks(observation: Any) -> dict[str, Any]:
    objects = observation.unique_objects
    index = {token: i for i, token in enumerate(objects)}
    pose = np.full((N_REPLAY_STEPS, len(index), 3), np.nan)
    for step in range(N_REPLAY_STEPS):
        frame = observation[step]
        for token in frame.tokens:
            pose[step, index[token]] = _box_pose(frame[token])
    first = list(objects.values())
    speed = [o.velocity.magnitude() if hasattr(o, "velocity") else 0.0 for o in first]
    types = [TRACK_TYPES.index(o.tracked_object_type.name.lower()) for o in first]
    return {
        "track_token": np.array(list(objects), np.str_),
        "track_type": np.array(types, np.int8),
        "track_size": np.array([[o.box.length, o.box.width] for o in first]).reshape(-1, 2),
        "track_pose": pose,
        "track_speed": np.array(speed, np.float64),
        "track_heading": np.array([o.box.center.heading for o in first], np.float64),
    }
