"""A city's map as the simulator needs it: polygons near a point, blocks, lanes and their paths.

    city = open_city_map(maps_root, "us-ma-boston")
    blocks = city.near(ROADBLOCK, x, y, 100.0)

Coordinates are metres in the city's UTM zone (the global frame), headings radians. Only the
city that a scene asks for is opened, only what lies around it is read, and what was read stays
in memory for the later scenes of the process.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.core.records import read_record
from reworld_agent.core.records.file_hashes import file_state
from reworld_agent.core.text import is_file_name
from reworld_agent.scenes.maps.graph import RoadGraph
from reworld_agent.scenes.maps.layers import GeoPackage
from reworld_agent.scenes.maps.store import GeometryStore

INDEX_FILE = "nuplan-maps-v1.0.json"

ROADBLOCK, ROADBLOCK_CONNECTOR, LANE, LANE_CONNECTOR, INTERSECTION, CARPARK = range(6)

LAYERS: dict[int, tuple[str, tuple[str, ...]]] = {
    ROADBLOCK: ("lane_groups_polygons", ()),
    ROADBLOCK_CONNECTOR: ("lane_group_connectors", ()),
    LANE: ("lanes_polygons", ()),
    LANE_CONNECTOR: ("gen_lane_connectors_scaled_width_polygons", ("lane_connector_fid",)),
    INTERSECTION: ("intersections", ()),
    CARPARK: ("carpark_areas", ()),
}
BASELINES = ("baseline_paths", ("lane_fid", "lane_connector_fid"))


_GAPS = 0.05  # share of references to what is not there, from which on a map is not whole


class Baseline(NamedTuple):
    """The middle line of a lane, in driving direction."""

    states: NDArray[np.float64]  # [N, 3] x, y [m], heading [rad] towards the next vertex
    length: float  # m


class CityMap:
    """One city.

    Args:
        path: the city's `map.gpkg`.

    Attributes:
        graph: how blocks and lanes follow one another.
        projection: the metric coordinates, e.g. "EPSG:32619".

    Raises:
        DataError: the file, a layer, a column or an object's geometry is missing or broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        package = GeoPackage(path)
        self.projection = package.projection
        self.graph = RoadGraph(package)
        for what, count, total in self.graph.gaps:
            if count > _GAPS * total:
                raise DataError(
                    f"{path}: of {total} {what}, {count} name objects that the map does not have",
                    "rows are missing from this map: download it again",
                )
        self._stores = {
            kind: GeometryStore(package, layer, owners) for kind, (layer, owners) in LAYERS.items()
        }
        self._lines = GeometryStore(package, *BASELINES)
        self._rings: dict[tuple[int, int], list[NDArray[np.float64]]] = {}
        self._baselines: dict[int, Baseline] = {}

    def near(self, kind: int, x: float, y: float, radius: float) -> list[int]:
        """Ids, ascending, of the objects that meet the SQUARE of half side `radius` [m]."""
        ids: list[int] = self._stores[kind].near(x, y, radius).tolist()
        return ids

    def nearest(self, kind: int, x: float, y: float) -> int | None:
        """Id of the nearest object of the whole city; None where the city has none."""
        return self._stores[kind].nearest(x, y)

    def polygon(self, kind: int, identity: int) -> shapely.Geometry:
        """The object's polygon."""
        return self._stores[kind].get(identity)

    def block_polygon(self, block: int) -> shapely.Geometry:
        """The polygon of a roadblock or roadblock connector."""
        kind = ROADBLOCK if block in self.graph.roadblocks else ROADBLOCK_CONNECTOR
        return self.polygon(kind, block)

    def lane_polygon(self, lane: int) -> shapely.Geometry:
        """The polygon of a lane or lane connector."""
        return self.polygon(LANE if lane in self.graph.lanes else LANE_CONNECTOR, lane)

    def preload(self, kind: int, identities: list[int]) -> None:
        """Read these objects' polygons in one go."""
        self._stores[kind].load(identities)

    def preload_baselines(self, lanes: list[int]) -> None:
        """Read these lanes' baselines in one go."""
        self._lines.load([lane for lane in lanes if lane not in self._baselines])

    def rings(self, kind: int, identity: int) -> list[NDArray[np.float64]]:
        """Vertices [N, 2] of each ring of the object's polygon, an exterior before its holes."""
        key = (kind, identity)
        if key not in self._rings:
            shape = self.polygon(kind, identity)
            parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
            rings = [ring for part in parts for ring in shapely.get_rings(part)]
            self._rings[key] = [shapely.get_coordinates(ring) for ring in rings]
        return self._rings[key]

    def baseline(self, lane: int) -> Baseline:
        """The middle line of a lane or lane connector; its last heading is repeated.

        Raises:
            DataError: the line has no length.
        """
        if lane not in self._baselines:
            line = self._lines.get(lane)
            points = shapely.get_coordinates(line)
            length = float(shapely.length(line))
            if not length > 0.0:
                raise DataError(
                    f"{self.path}: layer 'baseline_paths': the path of lane {lane} has no length",
                    "delete this lane from the map, or download the map again",
                )
            steps = np.diff(points, axis=0)
            headings = np.arctan2(steps[:, 1], steps[:, 0])
            states = np.column_stack([points, np.append(headings, headings[-1])])
            self._baselines[lane] = Baseline(states, length)
        return self._baselines[lane]


def city_map_path(maps_root: Path, city: str) -> Path:
    """Where the map of `city` lies, "las_vegas" too: `<maps_root>/<city>/<version>/map.gpkg`.

    The version is the one that `nuplan-maps-v1.0.json` names; without that file, the only one.

    Raises:
        DataError: the folder or the city is missing, or the index is no JSON.
    """
    if city == "las_vegas":
        city = "us-nv-las-vegas-strip"
    index = maps_root / INDEX_FILE
    folder = maps_root / city
    if index.is_file():
        version = _versions(index, file_state(index)).get(city)
        if version is None:
            raise DataError(
                f"{index}: the city '{city}' is not in the map index",
                f"add the city's map under {folder} and its version to the index",
            )
        return folder / version / "map.gpkg"
    found = sorted(folder.glob("*/map.gpkg"))
    if len(found) != 1:
        what = "no map" if not found else "more than one version of the map"
        raise DataError(
            f"{folder}: {what}, and no index {INDEX_FILE} beside it",
            "set maps_root (NUPLAN_MAPS_ROOT) to the folder that holds nuPlan's maps",
        )
    return found[0]


@lru_cache(maxsize=8)
def _versions(index: Path, state: tuple[int, ...]) -> dict[str, str]:
    """City → version, of the map index in a state; see `file_state`."""
    fix = "download the maps again, and their map index"
    cities: dict[str, dict[str, Any]] = read_record(index, dict[str, dict[str, Any]], fix)
    versions = {}
    for city, entry in cities.items():
        name = entry.get("version")
        if not isinstance(name, str) or not is_file_name(name):
            what = f"{city}.version must be the name of a folder"
            message = f"{index}: not a readable map index ({what})"
            raise DataError(message, fix)
        versions[city] = name
    return versions


def open_city_map(maps_root: str | Path, city: str) -> CityMap:
    """The map of `city`, opened once per process and kept.

    Args:
        maps_root: folder of the maps.
        city: e.g. "us-ma-boston"; the old name "las_vegas" is understood.

    Raises:
        DataError: see `CityMap` and `city_map_path`.
    """
    path = city_map_path(Path(maps_root), city).absolute()
    return _open(path, file_state(path) if path.is_file() else ())


@lru_cache(maxsize=8)
def _open(path: Path, state: tuple[int, ...]) -> CityMap:
    return CityMap(path)
