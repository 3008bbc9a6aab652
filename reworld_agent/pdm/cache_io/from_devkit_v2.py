"""Scene caches from `metric_cache.pkl` of NAVSIM v2.2; see `from_devkit`.

They hold what EPDMS reads and nothing of v1.1: its PDM-Closed and the fifth second of traffic are
not in the devkit's file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.pdm.cache_io.devkit_parts import ego_array, polygon_fields, sampled_poses
from reworld_agent.pdm.scene_cache import N_REPLAY_STEPS, N_STEPS, TRACK_TYPES, SceneCache
from reworld_agent.pdm.world.observation import N_SCORED_FRAMES
from reworld_agent.pdm.world.rings import flatten

_STEPS_PER_FRAME = 5


def convert_metric_cache_v2(metric_cache: Any, token: str) -> SceneCache:
    """A `navsim.planning.metric_caching.metric_cache.MetricCache` of v2.2 as a scene cache.

    Args:
        metric_cache: as it is on disk: the devkit's scorer changes its observation.
        token: of the scene.
    """
    ego_state = metric_cache.ego_state
    time_us = int(ego_state.time_point.time_us)
    past = metric_cache.past_human_trajectory.get_sampled_trajectory()
    human = metric_cache.human_trajectory
    return SceneCache(
        token=token,
        log_name=str(metric_cache.log_name),
        map_name=str(metric_cache.map_parameters.map_name),
        time_us=time_us,
        ego_state=ego_array(ego_state),
        centerline=np.array([pose.serialize() for pose in metric_cache.centerline.discrete_path]),
        pdm_closed_poses=np.empty((0, 3)),
        pdm_closed_poses_v2=sampled_poses(metric_cache.trajectory, time_us),
        human_poses=np.full((8, 3), np.nan) if human is None else np.array(human.poses, np.float64),
        past_states=np.array([ego_array(state) for state in past]),
        past_time_us=np.array([int(state.time_point.time_us) for state in past], np.int64),
        **_tracks(metric_cache),
        **_lights(metric_cache.observation),
        **polygon_fields(metric_cache.drivable_area_map, set(metric_cache.route_lane_ids)),
    )


def _tracks(metric_cache: Any) -> dict[str, Any]:
    observation = metric_cache.observation
    steps = [list(step.tracked_objects) for step in observation.detections_tracks[:N_STEPS]]
    first = observation.unique_objects
    index = {token: i for i, token in enumerate(first)}
    pose = np.full((N_REPLAY_STEPS, len(index), 3), np.nan)
    for step, objects in enumerate(steps):
        for item in objects:
            pose[step, index[item.track_token]] = item.center.serialize()
    now = {item.track_token for item in metric_cache.current_tracked_objects[0].tracked_objects}
    objects = list(first.values())
    return {
        "track_token": np.array(list(index), np.str_),
        "track_type": np.array([TRACK_TYPES.index(_type(item)) for item in objects], np.int8),
        "track_size": np.array([[o.box.length, o.box.width] for o in objects]).reshape(-1, 2),
        "track_pose": pose,
        "track_speed": np.array([item.velocity.magnitude() for item in objects], np.float64),
        "track_heading": np.array([item.center.heading for item in objects], np.float64),
        "track_sightings": _sightings(pose[:N_STEPS], np.array([t in now for t in index], bool)),
    }


def _type(item: Any) -> str:
    return str(item.tracked_object_type.name).lower()


def _sightings(pose: NDArray[np.float64], now: NDArray[np.bool_]) -> NDArray[np.int8]:
    """[T, 2] first and last frame of each track, from its presence at 10 Hz."""
    present = np.isfinite(pose[..., 0])
    found = np.full((pose.shape[1], 2), -1, np.int8)
    for track in np.flatnonzero(present.any(axis=0)):
        there = np.flatnonzero(present[:, track])
        if there[0] == 0 and not now[track]:  # seen once, later: the devkit has it there always
            found[track] = 1
        else:
            found[track] = there[0] // _STEPS_PER_FRAME, there[-1] // _STEPS_PER_FRAME
    return found


def _lights(observation: Any) -> dict[str, Any]:
    """Fields `light_*`; the devkit names the lights `red_light_<lane connector>`."""
    steps = observation._occupancy_maps_tl[:N_STEPS:_STEPS_PER_FRAME]
    prefix = f"{observation.red_light_token}_"
    shapes: dict[str, Any] = {}
    for tokens, polygons in steps:
        shapes |= {
            str(token).removeprefix(prefix): shape
            for token, shape in zip(tokens, polygons, strict=True)
        }
    names = sorted(shapes, key=int)
    red = np.zeros((N_SCORED_FRAMES, len(names)), np.bool_)
    for frame, (tokens, _) in enumerate(steps):
        now = {str(token).removeprefix(prefix) for token in tokens}
        red[frame] = [name in now for name in names]
    rings = flatten([_rings(shapes[name]) for name in names])
    return {
        "light_id": np.array(names, np.str_),
        "light_red": red,
        "light_ring_xy": rings.xy,
        "light_ring_start": rings.ring_start,
        "light_polygon_ring_start": rings.polygon_ring_start,
    }


def _rings(shape: Any) -> list[NDArray[np.float64]]:
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return [shapely.get_coordinates(r) for part in parts for r in shapely.get_rings(part)]
