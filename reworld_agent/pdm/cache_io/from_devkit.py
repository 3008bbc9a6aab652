"""Scene caches from the devkit's own `metric_cache.pkl`, where the NAVSIM devkit is installed.

The devkit's pickles hold its classes, so reading them needs the devkit and runs code from the
file; convert only caches that you computed yourself.
"""

from __future__ import annotations

import lzma
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.pdm.scene_cache import (
    CARPARK,
    INTERSECTION,
    LANE,
    LANE_CONNECTOR,
    N_REPLAY_STEPS,
    ROADBLOCK,
    TRACK_TYPES,
    SceneCache,
)
from reworld_agent.pdm.simulate.sampling import sample_times_us

_KINDS = {
    "ROADBLOCK": ROADBLOCK,
    "LANE": LANE,
    "LANE_CONNECTOR": LANE_CONNECTOR,
    "INTERSECTION": INTERSECTION,
    "CARPARK_AREA": CARPARK,
}


def load_metric_cache(path: str | Path) -> SceneCache:
    """Read one `metric_cache.pkl` of NAVSIM v1.1 (for PDMS) or v2.2 (for EPDMS).

    Raises:
        DataError: the file cannot be read, or the devkit is not installed.
    """
    path = Path(path)
    try:
        metric_cache = pickle.loads(lzma.decompress(path.read_bytes()))
    except ModuleNotFoundError as error:
        raise DataError(
            f"{path}: needs the NAVSIM devkit ({error})", "put navsim and nuplan on PYTHONPATH"
        ) from error
    except (OSError, lzma.LZMAError, pickle.UnpicklingError, EOFError) as error:
        raise DataError(
            f"{path}: not a metric cache ({error})", "make it again with run_metric_caching.py"
        ) from error
    except (AttributeError, TypeError) as error:
        raise DataError(
            f"{path}: of another version of the devkit ({error})",
            "put the version that made it on PYTHONPATH: v1.1 and v2.2 do not read each other's",
        ) from error
    token, log_name = path.parent.name, path.parents[2].name
    if hasattr(metric_cache, "future_tracked_objects"):
        from reworld_agent.pdm.cache_io.from_devkit_v2 import convert_metric_cache_v2

        return convert_metric_cache_v2(metric_cache, token)
    return convert_metric_cache(metric_cache, token, log_name)


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


def ego_array(ego_state: Any) -> NDArray[np.float64]:
    """[11] a nuPlan `EgoState` in the layout of `SceneCache.ego_state`."""
    car = ego_state.dynamic_car_state
    return np.array(
        [
            *ego_state.rear_axle.serialize(),
            *car.rear_axle_velocity_2d.array,
            *car.rear_axle_acceleration_2d.array,
            ego_state.tire_steering_angle,
            car.tire_steering_rate,
            car.angular_velocity,
            car.angular_acceleration,
        ],
        np.float64,
    )


def sampled_poses(trajectory: Any, time_us: int) -> NDArray[np.float64]:
    """[41, 3] rear-axle poses of a trajectory at the times the scorer asks for."""
    end = trajectory.end_time.time_us
    time_point = type(trajectory.start_time)
    times = [time_point(int(t)) for t in np.minimum(sample_times_us(time_us), end)]
    return np.array([s.rear_axle.serialize() for s in trajectory.get_state_at_times(times)])


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


def polygon_fields(drivable_map: Any, route_lanes: set[str]) -> dict[str, Any]:
    """Fields `polygon_*` and `ring_*` of the scene cache from the devkit's drivable map."""
    rings: list[NDArray[np.float64]] = []
    polygon_start = [0]
    for geometry in drivable_map._geometries:
        for part in getattr(geometry, "geoms", [geometry]):
            rings += [np.array(r.coords)[:, :2] for r in (part.exterior, *part.interiors)]
        polygon_start.append(len(rings))
    lengths = [len(ring) for ring in rings]
    ids = drivable_map.tokens
    return {
        "polygon_kind": np.array([_KINDS[kind.name] for kind in drivable_map.map_types], np.int8),
        "polygon_id": np.array(ids, np.str_),
        "polygon_on_route": np.array([i in route_lanes for i in ids], np.bool_),
        "ring_xy": np.concatenate([*rings, np.empty((0, 2))]),
        "ring_start": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        "polygon_ring_start": np.array(polygon_start, np.int32),
    }
