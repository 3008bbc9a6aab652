"""The routines of the maps' libraries that scene caches and reactive traffic need, as `routines`.

In a module of its own: who scores caches that are there does not wait for shapely and PROJ.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pyproj
import shapely

from reworld_agent.pdm.golden.routines import Routine, require_routines

_SQUARE = shapely.Polygon([(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)])
_HALF = shapely.Polygon([(1.0, 0.0), (4.0, 0.0), (4.0, 2.0), (1.0, 2.0)])
_FAR = shapely.Point(5.0, 6.0)
_LINE = shapely.LineString([(0.0, 0.0), (3.0, 0.0), (3.0, 4.0)])
_CORNERS = [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]
_RING = [*_CORNERS, _CORNERS[0]]


def _shape(name: str, *arguments: Any, **options: Any) -> Callable[[], Any]:
    return lambda: getattr(shapely, name)(*arguments, **options)


def _xy(name: str, *arguments: Any, **options: Any) -> Callable[[], Any]:
    """Coordinates of what a routine of shapely gives."""
    call = _shape(name, *arguments, **options)
    return lambda: [list(point) for part in _parts(call()) for point in part]


def _parts(found: Any) -> list[Any]:
    """Coordinates of a shape, or of each shape of an array."""
    if isinstance(found, np.ndarray):
        return [points for one in found.tolist() for points in _parts(one)]
    line = found.exterior if found.geom_type == "Polygon" else found
    return [list(line.coords)]


def _metres_off() -> Any:
    """What PROJ says besides the UTM coordinates of two places (Krüger's series) [m]."""
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32611", always_xy=True)
    x, y = to_metres.transform(np.array([-117.0, -115.15]), np.array([0.0, 36.17]))
    off = (x[0] - 500000.0, y[0], x[1] - 666386.362541, y[1] - 4004389.870472)
    return [round(float(value), 5) for value in off]


ROUTINES: tuple[Routine, ...] = (
    ("shapely.area", _shape("area", _SQUARE), 4.0),
    ("shapely.bounds", _shape("bounds", _HALF), [1.0, 0.0, 4.0, 2.0]),
    ("shapely.length", _shape("length", _LINE), 7.0),
    ("shapely.distance", _shape("distance", _SQUARE, _FAR), 5.0),
    ("shapely.contains", _shape("contains", _SQUARE, shapely.Point(1.0, 1.0)), True),
    ("shapely.within", _shape("within", _FAR, _SQUARE), False),
    ("shapely.intersects", _shape("intersects", _SQUARE, _HALF), True),
    ("shapely.intersects", _shape("intersects", _SQUARE, _FAR), False),
    ("shapely.equals_exact", _shape("equals_exact", _SQUARE, _HALF, tolerance=0.0), False),
    ("shapely.is_missing", _shape("is_missing", _FAR), False),
    ("shapely.is_empty", _shape("is_empty", _FAR), False),
    ("shapely.get_num_coordinates", _shape("get_num_coordinates", _SQUARE), 5),
    ("shapely.get_coordinates", _shape("get_coordinates", _SQUARE), _RING),
    ("shapely.intersection", lambda: shapely.intersection(_SQUARE, _HALF).area, 2.0),
    ("shapely.union_all", lambda: shapely.union_all([_SQUARE, _HALF]).area, 8.0),
    ("shapely.centroid", _xy("centroid", _HALF), [[2.5, 1.0]]),
    ("shapely.shortest_line", _xy("shortest_line", _SQUARE, _FAR), [[2.0, 2.0], [5.0, 6.0]]),
    ("shapely.polygons", _xy("polygons", [_CORNERS]), _RING),
    ("shapely.get_rings", _xy("get_rings", _SQUARE), _RING),
    ("shapely.get_parts", _xy("get_parts", shapely.MultiPolygon([_SQUARE])), _RING),
    ("shapely.force_2d", _xy("force_2d", shapely.Point(1.0, 2.0, 3.0)), [[1.0, 2.0]]),
    ("shapely.from_wkb", _xy("from_wkb", shapely.to_wkb(_LINE)), [[0, 0], [3, 0], [3, 4]]),
    ("shapely.box", lambda: list(shapely.box(0.0, 1.0, 2.0, 4.0).bounds), [0.0, 1.0, 2.0, 4.0]),
    (
        "shapely.set_coordinates",
        lambda: list(shapely.set_coordinates(shapely.Point(1.0, 2.0), [[3.0, 4.0]]).coords[0]),
        [3.0, 4.0],
    ),
    ("shapely.Point", lambda: list(shapely.Point(1.0, 2.0).coords[0]), [1.0, 2.0]),
    ("shapely.Polygon", lambda: shapely.Polygon(_CORNERS).area, 4.0),
    ("shapely.LineString", lambda: shapely.LineString(_CORNERS).length, 6.0),
    (
        "shapely.STRtree",
        lambda: sorted(shapely.STRtree([_FAR, _SQUARE, _HALF]).query(_SQUARE).tolist()),
        [1, 2],
    ),
    ("LineString.interpolate", lambda: list(_LINE.interpolate(4.0).coords[0]), [3.0, 1.0]),
    ("LineString.project", lambda: _LINE.project(shapely.Point(4.0, 2.0)), 5.0),
    (
        "LineString.buffer",
        lambda: shapely.LineString([(0.0, 0.0), (3.0, 0.0)]).buffer(1.0, cap_style="flat").area,
        6.0,
    ),
    ("pyproj.Transformer", _metres_off, [0.0] * 4),
)


@cache
def require_map_routines() -> None:
    """Raise ReWorldError where one of them does not give what it must; asked once a process."""
    require_routines()
    require_routines(ROUTINES)
