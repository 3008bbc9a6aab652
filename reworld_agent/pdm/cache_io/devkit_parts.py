"""What metric caches of both versions of the devkit have in common, as arrays of a scene cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import (
    CARPARK,
    INTERSECTION,
    LANE,
    LANE_CONNECTOR,
    ROADBLOCK,
)
from reworld_agent.pdm.simulate.sampling import sample_times_us

_KINDS = {
    "ROADBLOCK": ROADBLOCK,
    "LANE": LANE,
    "LANE_CONNECTOR": LANE_CONNECTOR,
    "INTERSECTION": INTERSECTION,
    "CARPARK_AREA": CARPARK,
}


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
