"""The road network of a town, as nuPlan's maps describe one.

Lanes in roadblocks, connectors in junctions, stop lines, crosswalks. Local frame (m); every element
has an id unique in its city.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

import numpy as np
import shapely
from shapely.geometry import Polygon

from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.geometry import Array
from reworld_agent.scenes.synthetic.town.layout import (
    LANE_WIDTH,
    Layout,
    Street,
    build_layout,
)
from reworld_agent.scenes.synthetic.town.plans import TOWNS, TownPlan

TURN_ACCELERATION = 2.6  # m/s^2 sideways that a connector's speed limit allows
CROSSWALK = (1.5, 4.7)  # m from the mouth of the street, where a crosswalk begins and ends
MOUTH = 7  # m that a junction's area reaches into its streets, as in nuPlan's maps
KERB_RADIUS = 6.0  # m
STRAIGHT_WITHIN = np.deg2rad(38.0)
ROUND_RADIUS = 13.0  # m, of the lane round a roundabout's island
ISLAND = 8.0  # m, its radius
_MERGE = 0.55  # rad round the island from the middle of a street to where its lane joins


@dataclass(frozen=True)
class Lane:
    """One lane of a street, in its direction of travel."""

    fid: int
    block: int  # roadblock
    index: int  # 0 is the leftmost
    center: Array
    left: tuple[int, Array]  # boundary id, line
    right: tuple[int, Array]
    speed: float


@dataclass(frozen=True)
class Roadblock:
    """All lanes of a street in one direction."""

    fid: int
    segment: int  # id of the road segment
    street: int  # index into Layout.streets
    forward: bool  # along the street's own direction
    lanes: tuple[Lane, ...]
    polygon: Polygon

    @property
    def center_line(self) -> Array:
        """The middle of the road, in driving direction [N, 2]."""
        return self.lanes[0].left[1]


@dataclass(frozen=True)
class Connector:
    """The way from a lane to a lane through a junction."""

    fid: int
    block: int  # roadblock connector
    junction: int  # index into Network.junctions
    source: Lane
    target: Lane
    center: Array
    speed: float
    kind: str  # left, straight, right
    polygon: Polygon
    polygon_fid: int
    boundaries: tuple[int, int]


@dataclass(frozen=True)
class ConnectorBlock:
    """All connectors between two roadblocks."""

    fid: int
    source: int
    target: int
    junction: int
    polygon: Polygon


@dataclass(frozen=True)
class Crosswalk:
    """A zebra across a street; the line from kerb to kerb that people walk."""

    fid: int
    street: int
    line: Array  # [2, 2]
    polygon: Polygon


@dataclass
class Junction:
    """Where streets meet."""

    fid: int
    key: tuple[int, int]
    center: Array
    signalled: bool
    island: float = 0.0  # m, radius of a roundabout's island
    polygon: Polygon = field(default_factory=Polygon)
    approaches: list[int] = field(default_factory=list)  # incoming roadblocks, counter-clockwise

    @property
    def island_area(self) -> Polygon:
        """What nobody drives on in the middle of a roundabout."""
        return shapely.Point(self.center).buffer(self.island)


@dataclass(frozen=True)
class StopLine:
    """Where the traffic of one roadblock waits before its junction."""

    fid: int
    block: int
    back: float  # m before the end of the lane
    line: Array  # [2, 2] across the lanes
    polygon: Polygon


@dataclass
class Network:
    """Everything drivable in one town."""

    plan: TownPlan
    layout: Layout
    blocks: dict[int, Roadblock] = field(default_factory=dict)
    connectors: dict[int, Connector] = field(default_factory=dict)
    connector_blocks: dict[int, ConnectorBlock] = field(default_factory=dict)
    junctions: list[Junction] = field(default_factory=list)
    crosswalks: list[Crosswalk] = field(default_factory=list)
    stop_lines: dict[int, StopLine] = field(default_factory=dict)  # by roadblock
    outgoing: dict[int, list[Connector]] = field(default_factory=dict)  # by lane
    ids: Iterator[int] = field(default_factory=count)

    @property
    def lanes(self) -> dict[int, Lane]:
        """All lanes by id."""
        return {lane.fid: lane for block in self.blocks.values() for lane in block.lanes}

    def street_of(self, lane: Lane) -> Street:
        """The street that the lane belongs to."""
        return self.layout.streets[self.blocks[lane.block].street]


@lru_cache(maxsize=8)
def build_network(town: str) -> Network:
    """The network of a town; always the same.

    Args:
        town: a key of `TOWNS`.
    """
    plan = TOWNS[town]
    layout = build_layout(plan)
    net = Network(plan, layout, ids=count(plan.first_id))
    for index, street in enumerate(layout.streets):
        segment = next(net.ids)
        _add_block(net, index, street, segment, forward=True)
        _add_block(net, index, street, segment, forward=False)
    for key, center in sorted(layout.nodes.items()):
        _add_junction(net, key, center)
    _add_middle_crosswalks(net)
    return net


def _add_block(net: Network, index: int, street: Street, segment: int, forward: bool) -> None:
    middle = street.center if forward else street.center[::-1]
    fid = next(net.ids)
    borders = [
        (next(net.ids), geo.offset(middle, -k * LANE_WIDTH)) for k in range(street.lanes + 1)
    ]
    lanes = tuple(
        Lane(
            next(net.ids),
            fid,
            k,
            geo.resample(geo.offset(middle, -(k + 0.5) * LANE_WIDTH)),
            borders[k],
            borders[k + 1],
            street.speed,
        )
        for k in range(street.lanes)
    )
    # a cycle lane belongs to the carriageway; cars may touch it, so it must count as drivable
    edge = borders[-1][1] if street.side == "parking" else geo.offset(middle, -street.half_width)
    ring = np.concatenate([borders[0][1], edge[::-1]])
    net.blocks[fid] = Roadblock(fid, segment, index, forward, lanes, Polygon(ring))


def _ends(net: Network, block: Roadblock) -> tuple[tuple[int, int], tuple[int, int]]:
    street = net.layout.streets[block.street]
    return (street.start, street.end) if block.forward else (street.end, street.start)


def _add_junction(net: Network, key: tuple[int, int], center: Array) -> None:
    incoming = [b for b in net.blocks.values() if _ends(net, b)[1] == key]
    outgoing = [b for b in net.blocks.values() if _ends(net, b)[0] == key]
    incoming.sort(key=lambda b: float(np.arctan2(*(b.center_line[-1] - center)[::-1])))
    signalled = key in net.layout.signalled
    island = ISLAND if key in net.layout.round else 0.0
    junction = Junction(next(net.ids), key, center, signalled, island)
    junction.approaches = [block.fid for block in incoming]
    net.junctions.append(junction)
    for block in incoming:
        _add_stop_line(net, block, signalled)
        for target in outgoing:
            if target.segment != block.segment:
                _connect(net, len(net.junctions) - 1, block, target)
    mouths = [_mouth(net, block) for block in outgoing]
    ours = [c.polygon for c in net.connectors.values() if c.junction == len(net.junctions) - 1]
    shape = shapely.union_all([*mouths, *ours]).buffer(KERB_RADIUS).buffer(1.0 - KERB_RADIUS)
    junction.polygon = Polygon(shape.exterior).simplify(0.02)
    if island:
        junction.polygon = junction.polygon.difference(junction.island_area)


def _mouth(net: Network, block: Roadblock) -> Polygon:
    """The first metres of a street that leaves a junction, from kerb to kerb, less 1 m."""
    street = net.layout.streets[block.street]
    line = street.center if block.forward else street.center[::-1]
    half = street.half_width - 1.0
    return Polygon(geo.ribbon(line[:MOUTH], half, -half))


def _turn_kind(source: Roadblock, target: Roadblock) -> str:
    out = geo.headings(source.center_line)[-1]
    angle = geo.wrap(geo.headings(target.center_line)[0] - out)
    if abs(angle) < STRAIGHT_WITHIN:
        return "straight"
    return "left" if angle > 0 else "right"


def _lane_pairs(kind: str, source: Roadblock, target: Roadblock) -> list[tuple[Lane, Lane]]:
    if kind == "left":
        return [(source.lanes[0], target.lanes[0])]
    if kind == "right":
        return [(source.lanes[-1], target.lanes[-1])]
    both = min(len(source.lanes), len(target.lanes))
    return [(source.lanes[k], target.lanes[k]) for k in range(both)]


def _connect(net: Network, junction: int, source: Roadblock, target: Roadblock) -> None:
    kind = _turn_kind(source, target)
    block = next(net.ids)
    made = []
    for a, b in _lane_pairs(kind, source, target):
        center = _way(net.junctions[junction], a.center, b.center)
        curvature = np.abs(np.gradient(geo.headings(center))).max()
        limit = np.sqrt(TURN_ACCELERATION / max(curvature, 1e-3))
        polygon = Polygon(geo.ribbon(center, LANE_WIDTH / 2, -LANE_WIDTH / 2))
        fid = next(net.ids)
        connector = Connector(
            fid=fid,
            block=block,
            junction=junction,
            source=a,
            target=b,
            center=center,
            speed=round(float(min(limit, a.speed)), 1),
            kind=kind,
            polygon=polygon.buffer(0),
            polygon_fid=next(net.ids),
            boundaries=(next(net.ids), next(net.ids)),
        )
        net.connectors[fid] = connector
        net.outgoing.setdefault(a.fid, []).append(connector)
        made.append(connector.polygon)
    shape = shapely.union_all(made)
    if shape.geom_type != "Polygon":
        shape = shape.convex_hull
    net.connector_blocks[block] = ConnectorBlock(block, source.fid, target.fid, junction, shape)


def _way(junction: Junction, source: Array, target: Array) -> Array:
    """The line [N, 2] from a lane's centre line to another's; round the island where there is one.

    Roundabouts turn counter-clockwise. Whoever leaves by the next street does not reach the lane
    round the island.
    """
    start, end = source[-1], target[0]
    heading, out = float(geo.headings(source)[-1]), float(geo.headings(target)[0])
    if not junction.island:
        return geo.turn(start, heading, end, out)
    first, last = (float(np.arctan2(*(p - junction.center)[::-1])) for p in (start, end))
    first, last = first + _MERGE, last - _MERGE
    sweep = (last - first) % (2 * np.pi)
    if sweep > 1.75 * np.pi or sweep < 0.15:  # the two bends meet, or would overlap
        return geo.turn(start, heading, end, out)
    angles = first + np.linspace(0.0, sweep, max(3, int(ROUND_RADIUS * sweep)))
    ring = junction.center + ROUND_RADIUS * np.stack([np.cos(angles), np.sin(angles)], -1)
    onto = geo.turn(start, heading, ring[0], first + np.pi / 2)
    off = geo.turn(ring[-1], last + np.pi / 2, end, out)
    line = geo.resample(geo.join([onto, ring, off]))
    line = geo.smooth(line, 1.5)
    line[0], line[-1] = start, end
    return line


def _add_stop_line(net: Network, block: Roadblock, signalled: bool) -> None:
    """The stop line of an approach, behind a crosswalk where the junction has signals."""
    back = CROSSWALK[1] + 1.3 if signalled else 1.5
    street = net.layout.streets[block.street]
    line = block.center_line[::-1]
    point = geo.at_distance(line, back)
    heading = float(geo.headings(line)[round(back)] + np.pi)
    right = geo.unit(heading - np.pi / 2)
    across = np.stack([point, point + right * street.lanes * LANE_WIDTH])
    ring = np.concatenate([across, across[::-1] + 0.6 * geo.unit(heading)])
    net.stop_lines[block.fid] = StopLine(next(net.ids), block.fid, back, across, Polygon(ring))
    if signalled:
        _add_crosswalk(net, block.street, line, CROSSWALK[0], CROSSWALK[1])


def _add_crosswalk(net: Network, street: int, line: Array, begin: float, end: float) -> None:
    half = net.layout.streets[street].half_width
    stretch = geo.at_distance(line, np.linspace(begin, end, 4))
    middle = geo.at_distance(line, np.array([begin, (begin + end) / 2, end]))
    walk = np.stack([geo.offset(middle, -half - 1.2)[1], geo.offset(middle, half + 1.2)[1]])
    polygon = Polygon(geo.ribbon(stretch, half, -half))
    net.crosswalks.append(Crosswalk(next(net.ids), street, walk, polygon))


def _add_middle_crosswalks(net: Network) -> None:
    """A zebra halfway along every other narrow street."""
    narrow = [k for k, street in enumerate(net.layout.streets) if street.lanes == 1]
    for index in narrow[::2]:
        line = net.layout.streets[index].center
        middle = geo.arc_length(line)[-1] / 2
        _add_crosswalk(net, index, line, middle - 1.6, middle + 1.6)
