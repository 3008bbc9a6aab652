"""What stays where it is in a scene: road, lanes, crosswalks, traffic lights; ego frame of t0."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.analysis.player.packing import pack_path
from reworld_agent.core.errors import ReWorldError
from reworld_agent.pdm.scene_cache import (
    CARPARK,
    INTERSECTION,
    LANE,
    LANE_CONNECTOR,
    ROADBLOCK,
    SceneCache,
)
from reworld_agent.pdm.world.ego_frame import to_ego
from reworld_agent.pdm.world.margins import ring_polygon
from reworld_agent.scenes.maps.city import open_city_map
from reworld_agent.scenes.maps.layers import GeoPackage
from reworld_agent.scenes.maps.store import GeometryStore

Array = NDArray[np.float64]
Window = tuple[float, float, float, float]
_SIMPLER_M = 0.04
_REACH_M = 100.0  # of the map around the ego
_CROSSWALKS = "crosswalks"


def pack_ground(cache: SceneCache, window: Window, maps_root: Path | None) -> dict[str, Any]:
    """Rings of each layer in the window (low x, low y, high x, high y), ego frame; the route.

    `notes` says what the map does not have.
    """
    crosswalks, note = _crosswalks(cache, maps_root)
    layers = {
        "road": _joined(cache, (ROADBLOCK, INTERSECTION)),
        "park": _joined(cache, (CARPARK,)),
        "lane": _shapes(cache, (LANE,)),
        "connector": _shapes(cache, (LANE_CONNECTOR,)),
        "crosswalk": crosswalks,
    }
    found: dict[str, Any] = {name: _rings(own, cache, window) for name, own in layers.items()}
    route = to_ego(cache.centerline[:, :2], cache.ego_state[:3])
    low, high = np.array(window[:2]), np.array(window[2:])
    found["route"] = pack_path(route[((route > low) & (route < high)).all(axis=1)])
    return {**found, "notes": [note] if note else []}


def pack_lights(
    cache: SceneCache, states: Mapping[str, str], window: Window
) -> list[dict[str, Any]]:
    """Lane connectors with a signal: rings and states at 2 Hz, `r` red, `g` not red, `-` unknown.

    Args:
        cache: the scene.
        states: by the connector's id.
        window: what is seen.
    """
    lights = []
    for polygon in np.flatnonzero(cache.polygon_kind == LANE_CONNECTOR).tolist():
        name = str(cache.polygon_id[polygon])
        if name in states:
            shape = np.array([_shape(cache, polygon)], object)
            rings = _rings(shape, cache, window)
            if rings:
                lights.append({"id": name, "states": states[name], "rings": rings})
    return lights


def red_of_route(cache: SceneCache) -> dict[str, str]:
    """Signals that the scene cache itself knows: those of the route that are red at some time."""
    return {
        str(name): "".join("r" if red else "g" for red in cache.light_red[:, light])
        for light, name in enumerate(cache.light_id)
    }


def _shape(cache: SceneCache, polygon: int) -> Any:
    return ring_polygon(polygon, cache.polygon_ring_start, cache.ring_start, cache.ring_xy)


def _shapes(cache: SceneCache, kinds: tuple[int, ...]) -> NDArray[np.object_]:
    chosen = np.flatnonzero(np.isin(cache.polygon_kind, kinds)).tolist()
    shapes = np.empty(len(chosen), np.object_)
    shapes[:] = [_shape(cache, polygon) for polygon in chosen]
    return shapes


def _joined(cache: SceneCache, kinds: tuple[int, ...]) -> NDArray[np.object_]:
    shapes = _shapes(cache, kinds)
    return np.array([shapely.union_all(shapely.buffer(shapes, 0.01))], object)


def _rings(shapes: NDArray[np.object_], cache: SceneCache, window: Window) -> list[list[int]]:
    """Packed rings of global shapes, cut to the window; a hole follows its exterior."""
    if not len(shapes):
        return []
    local = shapely.transform(shapes, lambda xy: to_ego(xy, cache.ego_state[:3]))
    near = local[shapely.intersects(local, shapely.box(*window))]
    cut = shapely.clip_by_rect(shapely.simplify(near, _SIMPLER_M), *window)
    parts = shapely.get_parts(shapely.get_parts(cut))
    rings = shapely.get_rings(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])
    return [pack_path(shapely.get_coordinates(ring)[:-1]) for ring in rings]


def _crosswalks(cache: SceneCache, maps_root: Path | None) -> tuple[NDArray[np.object_], str]:
    """Crosswalks around the ego, and why there are none."""
    nothing = np.empty(0, np.object_)
    if maps_root is None:
        return nothing, "no map: no crosswalks"
    try:
        store = _crosswalk_store(open_city_map(maps_root, cache.map_name).path)
        if store is None:
            return nothing, "the map has no crosswalks"
        ids = store.near(float(cache.ego_state[0]), float(cache.ego_state[1]), _REACH_M)
        shapes = np.empty(len(ids), np.object_)
        shapes[:] = [store.get(number) for number in ids.tolist()]
        return shapes, ""
    except ReWorldError as error:
        return nothing, f"no crosswalks: {error.message}"


@lru_cache(maxsize=4)
def _crosswalk_store(path: Path) -> GeometryStore | None:
    """Crosswalks of a city; None where its map has no such layer."""
    package = GeoPackage(path)
    return GeometryStore(package, _CROSSWALKS) if _CROSSWALKS in package.layers else None
