"""Building the scene cache from a log and a map.

Every scene is built by itself: nothing that happened in another scene matters, so that a cache
depends on its token alone (the stock devkit's caches depend on the order of its scenes).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.errors import DataError
from reworld_agent.pdm import observation
from reworld_agent.pdm.cache import SceneCache
from reworld_agent.pdm.drivable import DrivableMap, drivable_map
from reworld_agent.pdm.forecast import SAMPLE_STEPS, Forecast, forecast
from reworld_agent.pdm.frames import boxes, ego_pose, ego_state
from reworld_agent.pdm.lane_search import (
    centerline,
    centerline_states,
    ego_center,
    route_lanes,
    starting_lane,
)
from reworld_agent.pdm.pdm_closed import make_proposals, plan
from reworld_agent.pdm.route import correct_route, route_blocks
from reworld_agent.pdm.sampling import sample_times_us
from reworld_agent.pdm.scenery import (
    Scenery,
    local_origin,
    make_centerline,
    make_ground,
    make_traffic,
)
from reworld_agent.pdm.scorer import LAST_TTC_STEP, group_scores, score_states
from reworld_agent.pdm.tracker import simulate
from reworld_agent.scenes.log_index import find_frame
from reworld_agent.scenes.logs import load_log, validate_frame
from reworld_agent.scenes.maps import CityMap, open_city_map

N_HUMAN = 8  # future poses at 2 Hz


def build_scene_cache(
    data_root: str | Path, maps_root: str | Path, data_split: str, token: str
) -> SceneCache:
    """The scene cache of one token.

    Args:
        data_root: folder that holds `navsim_logs/<data_split>`.
        maps_root: folder of the maps.
        data_split: e.g. "test".
        token: of the scene's current frame.

    Raises:
        SceneError: no log has the token, or the scene has no usable route.
        DataError: the log or the city's map is missing or damaged.
    """
    path, index = find_frame(Path(data_root) / "navsim_logs" / data_split, token)
    return build_from_frames(load_log(path), index, maps_root, path)


def build_from_frames(
    frames: list[dict[str, Any]], index: int, maps_root: str | Path, log: Path
) -> SceneCache:
    """The scene cache of frame `index` of a log that is already loaded.

    Args:
        frames: all frames of the log, 0.5 s apart.
        index: the frame at t0. The ten frames after it are the replayed traffic; a log that ends
            sooner makes a scene whose traffic vanishes where the log ends.
        maps_root: folder of the maps.
        log: the log's file, for messages.
    """
    window = frames[index : index + observation.N_FRAMES]
    for frame in window:
        validate_frame(frame, log)
    now = window[0]
    token = str(now["token"])
    city = open_city_map(maps_root, now["map_location"])
    try:
        return _build(window, token, city)
    except shapely.errors.GEOSException as error:
        raise DataError(
            f"{city.path}: a polygon near scene {token} is invalid ({error})",
            "leave the scene out, or repair the map's polygons",
        ) from error


def _build(window: list[dict[str, Any]], token: str, city: CityMap) -> SceneCache:
    now = window[0]
    state = ego_state(now)
    objects = [boxes(frame) for frame in window]
    tracks = observation.replay(objects)

    route = correct_route(route_blocks(now["roadblock_ids"], city, token), state[:3], city)
    on_route = route_lanes(route, city)
    ground = drivable_map(ego_center(state[:3]), city)
    start = starting_lane(state[:3], on_route, ground.shapes, ground.identity, city)
    line = centerline_states(centerline(start, route, on_route, city), city)
    known = set(on_route)
    polygon_on_route = np.array([identity in known for identity in ground.identity], np.bool_)

    time_us = int(now["timestamp"])
    obstacles = forecast(state[:3], objects[0], red_lights(now, on_route, city))
    proposals = make_proposals(state, line, city.graph.speed_limit(start), obstacles)
    scenery = _forecast_scenery(state, ground, polygon_on_route, line, obstacles)

    def score(poses: NDArray[np.float64]) -> NDArray[np.float64]:
        return group_scores(score_states(simulate(state, poses), scenery, LAST_TTC_STEP))

    return SceneCache(
        token=token,
        log_name=str(now["log_name"]),
        map_name=str(now["map_location"]),
        time_us=time_us,
        ego_state=state,
        track_token=tracks.token,
        track_type=tracks.kind,
        track_size=tracks.size,
        track_pose=tracks.pose,
        track_speed=tracks.speed,
        track_heading=tracks.heading,
        polygon_kind=ground.kind,
        polygon_id=np.array([str(identity) for identity in ground.identity], np.str_),
        polygon_on_route=polygon_on_route,
        ring_xy=ground.ring_xy,
        ring_start=ground.ring_start,
        polygon_ring_start=ground.polygon_ring_start,
        centerline=line,
        pdm_closed_poses=plan(state, time_us, sample_times_us(time_us), proposals, score),
        human_poses=human_poses(window),
        driving_command=int(np.argmax(now["driving_command"])),
    )


def red_lights(frame: dict[str, Any], on_route: list[int], city: CityMap) -> NDArray[np.object_]:
    """Polygons of the lane connectors among `on_route` whose light is red in this frame."""
    known = set(on_route)
    red = [int(lane) for lane, is_red in frame["traffic_lights"] if is_red and int(lane) in known]
    polygons = np.empty(len(red), np.object_)
    polygons[:] = [city.lane_polygon(lane) for lane in red]
    return polygons


def human_poses(window: list[dict[str, Any]]) -> NDArray[np.float64]:
    """[8, 3] logged future x, y [m], heading [rad], ego frame; NaN rows where the log ends."""
    poses = np.full((N_HUMAN, 3), np.nan)
    origin = ego_pose(window[0])
    cos, sin = np.cos(-origin[2]), np.sin(-origin[2])
    for k, frame in enumerate(window[1 : N_HUMAN + 1]):
        x, y, heading = ego_pose(frame) - origin
        poses[k] = (
            cos * x - sin * y,
            sin * x + cos * y,
            np.arctan2(np.sin(heading), np.cos(heading)),
        )
    return poses


def _forecast_scenery(
    state: NDArray[np.float64],
    ground: DrivableMap,
    polygon_on_route: NDArray[np.bool_],
    line: NDArray[np.float64],
    obstacles: Forecast,
) -> Scenery:
    """What PDM-Closed scores its proposals against: the forecast, without what overlaps the ego
    already and without red lights."""
    origin = local_origin(state)
    boxes_now = obstacles.boxes
    clear = ~obstacles.overlaps[: len(boxes_now.token)]
    sample = np.arange(observation.N_REPLAY_STEPS) // SAMPLE_STEPS * SAMPLE_STEPS
    times = sample.astype(np.float64) * observation.STEP_S
    pose = np.repeat(boxes_now.pose[None, clear], len(times), axis=0)
    pose[..., :2] += obstacles.shift[clear] * times[:, None, None]
    speed = np.hypot(*boxes_now.velocity[clear].T)
    traffic = make_traffic(pose, boxes_now.size[clear], boxes_now.kind[clear], speed, origin)
    rasters = make_ground(
        ground.kind,
        polygon_on_route,
        ground.ring_xy,
        ground.ring_start,
        ground.polygon_ring_start,
        origin,
        state[:2] - origin,
    )
    return Scenery(origin, rasters, traffic, *make_centerline(line, origin))
