"""How blocks and lanes of a city follow one another: attribute tables only, no geometry.

Roadblocks (lane groups, made of lanes) and roadblock connectors (made of lane connectors)
alternate along every route. All lists are ordered by fid, as the devkit reads them; this order
decides ties.
"""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.maps.layers import GeoPackage, Table, as_ids, as_numbers

Edges = dict[int, list[int]]


class RoadGraph:
    """The block graph and the lane graph of one city. Blocks and lanes are named by their fid.

    Attributes:
        roadblocks, connectors: fids of roadblocks and of roadblock connectors.
        lanes, lane_connectors: fids of lanes and of lane connectors.
        gaps: where an object names another that the map does not have: what, how many, of how
            many. A whole map has none or few; one from which rows were deleted has many.
    """

    def __init__(self, package: GeoPackage) -> None:
        groups = package.attributes("lane_groups_polygons", [])
        links = package.attributes(
            "lane_group_connectors", ["from_lane_group_fid", "to_lane_group_fid"]
        )
        lanes = package.attributes("lanes_polygons", ["lane_group_fid", "speed_limit_mps"])
        turns = package.attributes(
            "lane_connectors",
            ["lane_group_connector_fid", "exit_lane_fid", "entry_lane_fid", "speed_limit_mps"],
        )
        self.roadblocks = frozenset(groups.fids.tolist())
        self.connectors = frozenset(links.fids.tolist())
        self.lanes = frozenset(lanes.fids.tolist())
        self.lane_connectors = frozenset(turns.fids.tolist())

        before = as_ids(links.columns["from_lane_group_fid"])
        after = as_ids(links.columns["to_lane_group_fid"])
        self._block_out = _edges(before, links.fids)
        self._block_in = _edges(after, links.fids)
        self._link_ends = _pairs(links.fids, before, after)
        # A connector's "exit" lane is the one that the car leaves: the incoming lane.
        incoming = as_ids(turns.columns["exit_lane_fid"])
        self._lane_out = _edges(incoming, turns.fids)
        leaving = as_ids(turns.columns["entry_lane_fid"])
        self._turn_end = _mapping(turns.fids, leaving)

        lane_group = as_ids(lanes.columns["lane_group_fid"])
        turn_group = as_ids(turns.columns["lane_group_connector_fid"])
        self._block_of = _mapping(turns.fids, turn_group) | _mapping(lanes.fids, lane_group)
        self._lanes_of_roadblock = _edges(lane_group, lanes.fids)
        self._lanes_of_connector = _edges(turn_group, turns.fids)
        self.gaps = _gaps(
            {
                "lanes of a roadblock": (lane_group, groups.fids),
                "roadblocks with lanes": (groups.fids, lane_group),
                "roadblock connectors of a roadblock": (np.append(before, after), groups.fids),
                "roadblock connectors with lanes": (links.fids, turn_group),
                "lane connectors of a roadblock connector": (turn_group, links.fids),
                "lane connectors between lanes": (np.append(incoming, leaving), lanes.fids),
            }
        )
        self._limits = {**_limits(package, turns), **_limits(package, lanes)}

    def is_block(self, block: int) -> bool:
        """Whether a roadblock or a roadblock connector has this id."""
        return block in self.roadblocks or block in self.connectors

    def lanes_of(self, block: int) -> list[int]:
        """Lanes of a roadblock, or lane connectors of a roadblock connector."""
        if block in self.roadblocks:
            return self._lanes_of_roadblock.get(block, [])
        return self._lanes_of_connector.get(block, [])

    def blocks_before(self, block: int) -> list[int]:
        """Blocks from which one drives into this one."""
        if block in self.roadblocks:
            return self._block_in.get(block, [])
        return [end for end in self._link_ends.get(block, ())[:1] if end >= 0]

    def blocks_after(self, block: int) -> list[int]:
        """Blocks into which one drives from this one."""
        if block in self.roadblocks:
            return self._block_out.get(block, [])
        return [end for end in self._link_ends.get(block, ())[1:] if end >= 0]

    def lanes_after(self, lane: int) -> list[int]:
        """Lane connectors after a lane, or the one lane after a lane connector."""
        if lane in self.lanes:
            return self._lane_out.get(lane, [])
        return [end for end in (self._turn_end.get(lane, -1),) if end >= 0]

    def block_of(self, lane: int) -> int:
        """The roadblock of a lane, the roadblock connector of a lane connector."""
        return self._block_of[lane]

    def speed_limit(self, lane: int) -> float | None:
        """Speed limit [m/s], or None where the map names none."""
        return self._limits.get(lane)


def _gaps(
    pairs: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> list[tuple[str, int, int]]:
    """What, how many, of how many: ids that are named (−1: none is) and not there."""
    found = []
    for what, (named, there) in pairs.items():
        named = named[named >= 0]
        missing = int((~np.isin(named, there)).sum())
        if missing:
            found.append((what, missing, len(named)))
    return found


def _edges(keys: NDArray[np.int64], values: NDArray[np.int64]) -> Edges:
    edges: Edges = defaultdict(list)
    for key, value in zip(keys.tolist(), values.tolist(), strict=True):
        edges[key].append(value)
    return dict(edges)


def _mapping(keys: NDArray[np.int64], values: NDArray[np.int64]) -> dict[int, int]:
    return dict(zip(keys.tolist(), values.tolist(), strict=True))


def _pairs(
    keys: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> dict[int, tuple[int, int]]:
    ends = zip(first.tolist(), second.tolist(), strict=True)
    return dict(zip(keys.tolist(), ends, strict=True))


def _limits(package: GeoPackage, lanes: Table) -> dict[int, float]:
    column = lanes.columns["speed_limit_mps"]
    numbers = as_numbers(column, f"{package.path}: speed_limit_mps of a lane")
    known = zip(lanes.fids.tolist(), numbers.tolist(), strict=True)
    return {lane: limit for lane, limit in known if not math.isnan(limit)}
