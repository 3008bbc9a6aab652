"""Building the scene cache from a log and a map.

Every scene is built by itself: nothing that happened in another scene matters, so that a cache
depends on its token alone (the stock devkit's caches depend on the order of its scenes).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.pdm_closed.forecast import Forecast, forecast
from reworld_agent.pdm.pdm_closed.lane_search import (
    centerline,
    centerline_states,
    route_lanes,
    starting_lane,
)
from reworld_agent.pdm.pdm_closed.planner import choose, make_proposals, sampled
from reworld_agent.pdm.pdm_closed.proposals import SAMPLE_STEPS
from reworld_agent.pdm.pdm_closed.route import correct_route
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.sampling import sample_times_us
from reworld_agent.pdm.simulate.tracker import simulate
from reworld_agent.pdm.world import observation
from reworld_agent.pdm.world.drivable import drivable_map
from reworld_agent.pdm.world.ego_box import ego_center
from reworld_agent.pdm.world.frames import Moment, ParsedLog, open_log
from reworld_agent.pdm.world.lights import Lights, logged_lights, red_lanes, steady_lights
from reworld_agent.scenes.log_index import find_frame
from reworld_agent.scenes.maps.city import CityMap, open_city_map
from reworld_agent.scenes.maps.ground import no_road, route_blocks

N_HUMAN = 8  # future poses at 2 Hz
N_PAST = 4  # frames up to t0


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
        SceneError: no log has the token, or the scene has no usable route or no road nearby.
        DataError: the log or the city's map is missing or damaged.
    """
    path, index = find_frame(Path(data_root) / "navsim_logs" / data_split, token)
    return build_from_log(open_log(path), index, maps_root)


def build_from_log(log: ParsedLog, index: int, maps_root: str | Path) -> SceneCache:
    """The scene cache of frame `index` of a log that is already loaded.

    Args:
        log: the log.
        index: the frame at t0. The ten frames after it are the replayed traffic; a log that ends
            sooner makes a scene whose traffic vanishes where the log ends.
        maps_root: folder of the maps.
    """
    ensure_compiled()
    past = log.moments(index - N_PAST + 1, index + 1)
    window = log.moments(index, index + observation.N_FRAMES)
    now = window[0].frame
    city = open_city_map(maps_root, now["map_location"])
    try:
        return build_from_moments(past, window, city)
    except shapely.errors.GEOSException as error:
        raise DataError(
            f"{city.path}: a polygon near scene {now['token']} is invalid ({error})",
            "leave the scene out, or repair the map's polygons",
        ) from error


def build_from_moments(past: list[Moment], window: list[Moment], city: CityMap) -> SceneCache:
    """The scene cache of parsed frames: `past` up to t0, `window` from t0 on, 0.5 s apart.

    Raises:
        SceneError: the scene has no usable route or no road nearby.
    """
    now, state, objects = window[0]
    token = str(now["token"])
    frames = [moment.frame for moment in window]
    tracks = observation.replay([moment.boxes for moment in window])

    logged_route = route_blocks(now["roadblock_ids"], city.graph.is_block, city.path, token)
    route = correct_route(logged_route, state[:3], city)
    on_route = route_lanes(route, city)
    ground = drivable_map(ego_center(state[:3]), city)
    if not len(ground.kind):
        raise no_road(city.path, token)
    start = starting_lane(state[:3], on_route, ground, city)
    line = centerline_states(centerline(start, route, on_route, city), city)
    known = set(on_route)

    cache = SceneCache(
        token=token,
        log_name=str(now["log_name"]),
        map_name=str(now["map_location"]),
        time_us=int(now["timestamp"]),
        ego_state=state,
        track_token=tracks.token,
        track_type=tracks.kind,
        track_size=tracks.size,
        track_pose=tracks.pose,
        track_speed=tracks.speed,
        track_heading=tracks.heading,
        polygon_kind=ground.kind,
        polygon_id=np.array([str(identity) for identity in ground.identity], np.str_),
        polygon_on_route=np.array([identity in known for identity in ground.identity], np.bool_),
        ring_xy=ground.rings.xy,
        ring_start=ground.rings.ring_start,
        polygon_ring_start=ground.rings.polygon_ring_start,
        centerline=line,
        pdm_closed_poses=np.empty((0, 3)),
        human_poses=human_poses(window),
        driving_command=int(np.argmax(now["driving_command"])),
        track_sightings=tracks.sightings,
        past_states=np.array([moment.state for moment in past]),
        past_time_us=np.array([int(moment.frame["timestamp"]) for moment in past], np.int64),
        **logged_lights(frames, set(route_lanes(logged_route, city)), city).fields(),
    )
    red_now = red_lanes(now, known)
    red = np.empty(len(red_now), np.object_)
    red[:] = [city.lane_polygon(lane) for lane in red_now]
    obstacles = forecast(state[:3], objects, red)
    proposals = make_proposals(state, line, city.graph.speed_limit(start), obstacles)
    expected = _with_forecast(cache, obstacles, steady_lights(red_now, city))
    samples = sample_times_us(cache.time_us)
    first, second = choose(simulate(state, proposals), expected)
    return replace(
        cache,
        pdm_closed_poses=sampled(proposals[first], cache.time_us, samples),
        pdm_closed_poses_v2=sampled(proposals[second], cache.time_us, samples),
    )


def _with_forecast(cache: SceneCache, obstacles: Forecast, lights: Lights) -> SceneCache:
    """The scene as PDM-Closed sees it: its forecast in place of the logged traffic.

    Objects that overlap the ego already are left out; red lights stay red.
    """
    objects = obstacles.boxes
    clear = np.flatnonzero(~obstacles.overlaps[: len(objects.token)])
    sample = np.arange(observation.N_REPLAY_STEPS) // SAMPLE_STEPS * SAMPLE_STEPS
    times = sample.astype(np.float64) * observation.STEP_S
    pose = np.repeat(objects.pose[None, clear], len(times), axis=0)
    pose[..., :2] += obstacles.shift[clear] * times[:, None, None]
    return replace(
        cache,
        track_token=np.array([objects.token[i] for i in clear], np.str_),
        track_type=objects.kind[clear],
        track_size=objects.size[clear],
        track_pose=pose,
        track_speed=np.hypot(*objects.velocity[clear].T),
        track_heading=objects.pose[clear, 2],
        **lights.fields(),
    )


def human_poses(window: list[Moment]) -> NDArray[np.float64]:
    """[8, 3] logged future x, y [m], heading [rad], ego frame; NaN rows where the log ends."""
    poses = np.full((N_HUMAN, 3), np.nan)
    origin = window[0].state[:3]
    cos, sin = np.cos(-origin[2]), np.sin(-origin[2])
    for k, moment in enumerate(window[1 : N_HUMAN + 1]):
        x, y, heading = moment.state[:3] - origin
        poses[k] = (
            cos * x - sin * y,
            sin * x + cos * y,
            np.arctan2(np.sin(heading), np.cos(heading)),
        )
    return poses
