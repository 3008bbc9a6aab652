"""Does a city's map hold what scoring will read? Every layer is opened, some geometry of each."""

from __future__ import annotations

from pathlib import Path

from reworld_agent.core.errors import DataError
from reworld_agent.scenes.maps.city import BASELINES, LAYERS, CityMap
from reworld_agent.scenes.maps.layers import GeoPackage, as_ids

_SAMPLE = 256  # geometries of a layer
_FEW = 0.05  # share of lanes that may be bare


def inspect_map(path: Path) -> list[str]:
    """What is odd about a map that can be read.

    Args:
        path: the city's `map.gpkg`.

    Raises:
        DataError: a layer or column is missing, a geometry is broken, or rows are missing.
    """
    city, package = CityMap(path), GeoPackage(path)
    for layer, owners in (*LAYERS.values(), BASELINES):
        package.sample(layer, list(owners), _SAMPLE)
    odd = [f"{n} of {total} {what} name what is not there" for what, n, total in city.graph.gaps]
    table = package.attributes(BASELINES[0], list(BASELINES[1]))
    drawn = {identity for column in table.columns.values() for identity in as_ids(column).tolist()}
    lanes = city.graph.lanes | city.graph.lane_connectors
    bare = len(lanes - drawn)
    if bare > _FEW * len(lanes):
        raise DataError(
            f"{path}: {bare} of {len(lanes)} lanes have no middle line (layer baseline_paths)",
            "rows are missing from this map: download it again",
        )
    return odd + [f"{bare} of {len(lanes)} lanes have no middle line"] * (bare > 0)
