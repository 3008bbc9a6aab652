"""Does a city's map have the blocks of a scene's route, and any ground around its car?

Scoring asks it of each scene, and a preflight of all scenes before it: that needs the ids of the
map's blocks and its bounds alone, read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.core.records.file_hashes import file_state
from reworld_agent.scenes.maps.city import (
    CARPARK,
    INTERSECTION,
    LAYERS,
    ROADBLOCK,
    ROADBLOCK_CONNECTOR,
    city_map_path,
)
from reworld_agent.scenes.maps.layers import GeoPackage

RADIUS = 100.0  # m, half side of the square around the ego whose polygons are its ground
_SLACK = 15.0  # m: it is the ego's centre that lies in the middle, and bounds are of degrees
_FIX = "check that the maps belong to these logs (map_location, version)"
# Read off its source (v1.1 and v2.2): a block that it does not find is None, and is asked for its
# id; an empty drivable map counts as none (`_load_route_dicts`, `_get_intersecting_lanes`).
_DEVKIT = "NAVSIM's devkit fails in this scene too"


class MapOutline:
    """The blocks of a city's map, and how far it reaches.

    Args:
        path: the city's `map.gpkg`.

    Attributes:
        blocks: ids of roadblocks and roadblock connectors.
        bounds: low x, low y, high x, high y [m] of what is or joins drivable ground; None where
            they cannot be told without reading the whole map.

    Raises:
        DataError: the map cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        package = GeoPackage(path)
        blocks = [LAYERS[kind][0] for kind in (ROADBLOCK, ROADBLOCK_CONNECTOR)]
        others = [LAYERS[kind][0] for kind in (INTERSECTION, CARPARK)]
        self.blocks = frozenset(
            block for layer in blocks for block in package.attributes(layer, []).fids.tolist()
        )
        self.bounds = package.bounds([*blocks, *others])

    def reaches(self, x: float, y: float) -> bool:
        """Whether ground may lie around a rear axle [m]; where not, none does."""
        if self.bounds is None:
            return True
        low_x, low_y, high_x, high_y = self.bounds
        far = RADIUS + _SLACK
        return low_x - far <= x <= high_x + far and low_y - far <= y <= high_y + far

    def holds(self, names: Iterable[str], corners: Iterable[Sequence[float]]) -> bool:
        """Whether the map has all these blocks and reaches all these points."""
        known = all(_block(name) in self.blocks for name in names)
        return known and all(self.reaches(x, y) for x, y in corners)

    def check(self, roadblock_ids: Sequence[str], x: float, y: float, token: str) -> None:
        """Raise SceneError where a scene cannot be scored on this map; x, y of the rear axle."""
        route_blocks(roadblock_ids, self.blocks.__contains__, self.path, token)
        if not self.reaches(x, y):
            raise no_road(self.path, token)


@lru_cache(maxsize=8)
def _outline(path: Path, state: tuple[int, ...]) -> MapOutline | None:
    try:
        return MapOutline(path)
    except DataError:
        return None


def open_outline(maps_root: Path, city: str) -> MapOutline | None:
    """The outline of a city's map, read once per process; None of a map that cannot be read."""
    try:
        path = city_map_path(maps_root, city)
        return _outline(path, file_state(path))
    except (DataError, OSError):
        return None


def route_blocks(
    roadblock_ids: Sequence[str], is_block: Callable[[int], bool], path: Path, token: str
) -> list[int]:
    """Parse the logged route: ids in driving order, repetitions dropped.

    Args:
        roadblock_ids: of the scene's present frame.
        is_block: whether the map has a roadblock or roadblock connector of this id.
        path: the map, for the message.
        token: of the scene.

    Raises:
        SceneError: there is no route, or the map does not know one of its blocks.
    """
    if not len(roadblock_ids):
        raise SceneError(
            f"scene {token}: no route (roadblock_ids is empty)",
            "leave the scene out: SceneFilter(has_route=True)",
        )
    route: list[int] = []
    for name in dict.fromkeys(roadblock_ids):
        block = _block(name)
        if not is_block(block):
            raise SceneError(
                f"scene {token}: block '{name}' of the route is not in {path} ({_DEVKIT})", _FIX
            )
        route.append(block)
    return route


def no_road(path: Path, token: str) -> SceneError:
    """The error of a scene around whose car the map at `path` has no ground."""
    return SceneError(
        f"scene {token}: no road within {RADIUS:g} m of the ego in {path} ({_DEVKIT})", _FIX
    )


def _block(name: object) -> int:
    """The id of a block by its logged name; −1 of a name that no block can have."""
    return int(text) if (text := str(name)).isdecimal() else -1
