"""What stays where it is in a scene: road, lanes, crosswalks, traffic lights; ego frame of t0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
Crosswalks = tuple[NDArray[np.object_], str]
"""Global polygons, and why there are none."""
_SIMPLER_M = 0.04
_REACH_M = 100.0  # of the map around the ego
_AROUND_M = 45.0  # of what is drawn around the drives
_EDGE_M = 9.0  # of a picture around the drives that it shows whole
_WIDE, _NARROW = 2.3, 1.5  # width of a picture by its height, at most and at least
_JOINS_M = 0.5  # a route goes on where it is further from what is known
_CROSSWALKS = "crosswalks"


def window_of(points: Array) -> Window:
    """What is drawn around drives through points [n, 2 or more] (m): all that a picture shows."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    span = high - low
    beside = (span[::-1] + 2.0 * _EDGE_M) * (_WIDE, 1.0 / _NARROW)  # seen where the other span fits
    more = np.maximum(_AROUND_M, (beside - span) / 2.0)
    low, high = low - more, high + more
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def pack_ground(
    caches: Sequence[SceneCache], ego: Array, window: Window, crosswalks: Crosswalks
) -> dict[str, Any]:
    """Rings of each layer in the window (low x, low y, high x, high y), ego frame; the route.

    `notes` says what the map does not have.

    Args:
        caches: scenes that hold the map, the first of the start.
        ego: [3] pose of the frame.
        window: what is seen.
        crosswalks: of `crosswalks_near`.
    """
    shapes, note = crosswalks
    layers = {
        "road": _joined(caches, (ROADBLOCK, INTERSECTION)),
        "park": _joined(caches, (CARPARK,)),
        "lane": _shapes(caches, (LANE,)),
        "connector": _shapes(caches, (LANE_CONNECTOR,)),
        "crosswalk": shapes,
    }
    found: dict[str, Any] = {name: _rings(own, ego, window) for name, own in layers.items()}
    routes = [to_ego(part, ego) for part in _routes(caches)]
    low, high = np.array(window[:2]), np.array(window[2:])
    seen = [part[((part > low) & (part < high)).all(axis=1)] for part in routes]
    found["route"] = [pack_path(part) for part in seen if len(part) > 1]
    return {**found, "notes": [note] if note else []}


def _routes(caches: Sequence[SceneCache]) -> list[Array]:
    """Centrelines [n, 2] through all scenes, global: of each what it adds to those before."""
    found = [caches[0].centerline[:, :2]]
    for cache in caches[1:]:
        known = shapely.multilinestrings([shapely.linestrings(part) for part in found])
        own = cache.centerline[:, :2]
        apart = shapely.distance(known, shapely.points(own)) > _JOINS_M
        ends = np.flatnonzero(np.diff(apart.astype(int))) + 1
        parts = zip(np.split(own, ends), np.split(apart, ends), strict=True)
        found += [part for part, new in parts if new[0] and len(part) > 1]
    return found


def pack_lights(
    caches: Sequence[SceneCache], ego: Array, states: Mapping[str, str], window: Window
) -> list[dict[str, Any]]:
    """Lane connectors with a signal: rings and states at 2 Hz, `r` red, `g` not red, `-` unknown.

    Args:
        caches: scenes that hold the map.
        ego: [3] pose of the frame.
        states: by the connector's id.
        window: what is seen.
    """
    lights = []
    for name, (cache, polygon) in _polygons(caches, (LANE_CONNECTOR,)).items():
        if name in states:
            rings = _rings(np.array([_shape(cache, polygon)], object), ego, window)
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


def _polygons(
    caches: Sequence[SceneCache], kinds: tuple[int, ...]
) -> dict[str, tuple[SceneCache, int]]:
    """Where each polygon of these kinds is found first, by its id."""
    found: dict[str, tuple[SceneCache, int]] = {}
    for cache in caches:
        for polygon in np.flatnonzero(np.isin(cache.polygon_kind, kinds)).tolist():
            found.setdefault(str(cache.polygon_id[polygon]), (cache, polygon))
    return found


def _shapes(caches: Sequence[SceneCache], kinds: tuple[int, ...]) -> NDArray[np.object_]:
    chosen = [_shape(*own) for kind in kinds for own in _polygons(caches, (kind,)).values()]
    shapes = np.empty(len(chosen), np.object_)
    shapes[:] = chosen
    return shapes


def _joined(caches: Sequence[SceneCache], kinds: tuple[int, ...]) -> NDArray[np.object_]:
    shapes = _shapes(caches, kinds)
    return np.array([shapely.union_all(shapely.buffer(shapes, 0.01))], object)


def _rings(shapes: NDArray[np.object_], ego: Array, window: Window) -> list[list[int]]:
    """Packed rings of global shapes, cut to the window; a hole follows its exterior."""
    if not len(shapes):
        return []
    local = shapely.transform(shapes, lambda xy: to_ego(xy, ego))
    near = local[shapely.intersects(local, shapely.box(*window))]
    cut = shapely.clip_by_rect(shapely.simplify(near, _SIMPLER_M), *window)
    parts = shapely.get_parts(shapely.get_parts(cut))
    rings = shapely.get_rings(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])
    return [pack_path(shapely.get_coordinates(ring)[:-1]) for ring in rings]


def crosswalks_near(caches: Sequence[SceneCache], maps_root: Path | None) -> Crosswalks:
    """Crosswalks around the ego of scenes of one city, global, each once.

    Args:
        caches: the scenes.
        maps_root: where they are looked up; None for nowhere.
    """
    nothing = np.empty(0, np.object_)
    if maps_root is None:
        return nothing, "no map: no crosswalks"
    try:
        store = _crosswalk_store(open_city_map(maps_root, caches[0].map_name).path)
        if store is None:
            return nothing, "the map has no crosswalks"
        where = [(float(own.ego_state[0]), float(own.ego_state[1])) for own in caches]
        found = dict.fromkeys(id_ for x, y in where for id_ in store.near(x, y, _REACH_M).tolist())
        shapes = np.empty(len(found), np.object_)
        shapes[:] = [store.get(id_) for id_ in found]
        return shapes, ""
    except ReWorldError as error:
        return nothing, f"no crosswalks: {error.message}"


@lru_cache(maxsize=4)
def _crosswalk_store(path: Path) -> GeometryStore | None:
    """Crosswalks of a city; None where its map has no such layer."""
    package = GeoPackage(path)
    return GeometryStore(package, _CROSSWALKS) if _CROSSWALKS in package.layers else None
