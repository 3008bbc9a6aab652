"""The drivable map of a scene: polygons that meet the square of half side 100 m around the ego.

Kinds and order as in the devkit: roadblocks; lanes of these roadblocks; lane connectors of the
roadblock connectors in range; intersections; carparks. The polygons of roadblock connectors are
not drivable by themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm import scene_cache as cache
from reworld_agent.pdm.world.rings import Rings, flatten
from reworld_agent.scenes.maps import city as maps
from reworld_agent.scenes.maps.ground import RADIUS


class DrivableMap(NamedTuple):
    """P polygons."""

    kind: NDArray[np.int8]  # [P]
    identity: list[int]  # [P] fids
    rings: Rings  # global


def drivable_map(center: NDArray[np.float64], city: maps.CityMap) -> DrivableMap:
    """The drivable map around `center` [2], the centre of the ego box [m, global]."""
    x, y = float(center[0]), float(center[1])
    roadblocks = city.near(maps.ROADBLOCK, x, y, RADIUS)
    connectors = city.near(maps.ROADBLOCK_CONNECTOR, x, y, RADIUS)
    groups = [
        (cache.ROADBLOCK, maps.ROADBLOCK, roadblocks),
        (cache.LANE, maps.LANE, _lanes(roadblocks, city)),
        (cache.LANE_CONNECTOR, maps.LANE_CONNECTOR, _lanes(connectors, city)),
        (cache.INTERSECTION, maps.INTERSECTION, city.near(maps.INTERSECTION, x, y, RADIUS)),
        (cache.CARPARK, maps.CARPARK, city.near(maps.CARPARK, x, y, RADIUS)),
    ]
    kinds, identities, rings = [], [], []
    for kind, source, members in groups:
        city.preload(source, members)
        rings += [city.rings(source, identity) for identity in members]
        kinds += [kind] * len(members)
        identities += members
    return DrivableMap(np.array(kinds, np.int8), identities, flatten(rings))


def shapes(ground: DrivableMap, city: maps.CityMap) -> NDArray[np.object_]:
    """[P] the same polygons as geometries."""
    sources = (maps.ROADBLOCK, maps.LANE, maps.LANE_CONNECTOR, maps.INTERSECTION, maps.CARPARK)
    polygons = np.empty(len(ground.kind), np.object_)
    polygons[:] = [
        city.polygon(sources[kind], identity)
        for kind, identity in zip(ground.kind, ground.identity, strict=True)
    ]
    return polygons


def _lanes(blocks: list[int], city: maps.CityMap) -> list[int]:
    return [lane for block in blocks for lane in city.graph.lanes_of(block)]
