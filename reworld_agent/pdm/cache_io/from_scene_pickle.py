"""Scene caches of the synthetic scenes of NAVSIM v2's two-stage evaluation.

Such a scene goes 4 s on after t0, has no logged driver (so no human filter), and its caches serve
EPDMS only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.pdm.cache_io.build import build_from_moments
from reworld_agent.pdm.scene_cache import TRACK_TYPES, SceneCache
from reworld_agent.pdm.world.frames import Boxes, Moment, boxes
from reworld_agent.pdm.world.observation import N_SCORED_FRAMES
from reworld_agent.scenes.maps.city import open_city_map
from reworld_agent.scenes.scene_pickles import FutureBoxes, ScenePickle, load_scene_pickle


def build_from_scene_pickle(path: str | Path, maps_root: str | Path) -> SceneCache:
    """The scene cache of one synthetic scene.

    Args:
        path: its pickle, `<token>.pkl`.
        maps_root: folder of the maps.

    Raises:
        SceneError: the scene has no usable route, no road nearby, or less than 4 s of future.
        DataError: the file or the city's map is missing or damaged.
    """
    scene = load_scene_pickle(Path(path))
    city = open_city_map(maps_root, scene.metadata.map_name)
    missing = N_SCORED_FRAMES - 1 - len(scene.future_boxes)
    if missing > 0:
        raise SceneError(
            f"{path}: {len(scene.future_boxes)} frames of future traffic, {missing} too few",
            "EPDMS needs 4 s; make the scene again",
        )
    past, window = moments_of(scene)
    try:
        return build_from_moments(past, window, city)
    except shapely.errors.GEOSException as error:
        raise DataError(
            f"{city.path}: a polygon near scene {path} is invalid ({error})",
            "leave the scene out, or repair the map's polygons",
        ) from error


def moments_of(scene: ScenePickle) -> tuple[list[Moment], list[Moment]]:
    """Its frames up to t0, and those from t0 on."""
    past = [_moment(scene, frame) for frame in scene.frames]
    return past, [past[-1], *_future(scene)]


def _moment(scene: ScenePickle, entry: dict[str, Any]) -> Moment:
    status, annotations = entry["ego_status"], entry["annotations"]
    state = np.zeros(11)
    state[:3] = status["ego_pose"]
    state[3:5], state[5:7] = status["ego_velocity"][:2], status["ego_acceleration"][:2]
    frame = {
        **{key: entry[key] for key in ("token", "timestamp", "roadblock_ids", "traffic_lights")},
        "log_name": scene.metadata.log_name,
        "map_location": scene.metadata.map_name,
        "driving_command": status["driving_command"],
        "anns": {
            "gt_boxes": annotations["boxes"],
            "gt_names": annotations["names"],
            "gt_velocity_3d": annotations["velocity_3d"],
            "track_tokens": annotations["track_tokens"],
        },
    }
    return Moment(frame, state, boxes(frame, state[:3]))


def _future(scene: ScenePickle) -> list[Moment]:
    """The frames after t0; where the ego is then is not known (NaN)."""
    unknown: NDArray[np.float64] = np.full(11, np.nan)
    lights = [*scene.future_lights, *([[]] * len(scene.future_boxes))]
    return [
        Moment({"traffic_lights": red}, unknown, _as_boxes(found))
        for red, found in zip(lights, scene.future_boxes[: N_SCORED_FRAMES - 1], strict=False)
    ]


def _as_boxes(found: FutureBoxes) -> Boxes:
    kind = np.array([TRACK_TYPES.index(name) for name in found.name], np.int8)
    return Boxes(found.token, kind, found.size, found.pose, found.velocity)
