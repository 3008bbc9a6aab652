"""What stands beside the lanes: kerbs and pavements, parked cars, a car park, houses, trees, posts.

Everything here is fixed for a town; what moves or is put up for one drive is in `actors`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.strtree import STRtree

from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.geometry import Array
from reworld_agent.scenes.synthetic.town.layout import LANE_WIDTH, SIDE_WIDTH, Street
from reworld_agent.scenes.synthetic.town.network import Network, build_network
from reworld_agent.scenes.synthetic.town.plans import TOWNS, TownStyle

PAVEMENT = 3.0  # m, width of the walkways
BAY = 6.2  # m of kerb that a parked car takes
KEEP_CLEAR = 16.0  # m without parking at both ends of a street
SHARPEST = 0.010  # 1/m: no parking in sharper bends
CAR = (4.7, 1.9, 1.5)  # m, length, width, height
_POSTS_TO = 0.85  # of what stands along pavements: trees, then lamp posts, then bins
LOT = (30.0, 21.0)  # m, the off-street car park: along and away from the street

Parked = tuple[float, float, float, float, float, float]  # x y heading length width height


@dataclass
class Scenery:
    """The fixed things of one town (local frame, m, rad)."""

    asphalt: list[Polygon] = field(default_factory=list)  # streets from kerb to kerb
    carparks: list[Polygon] = field(default_factory=list)  # parking strips and lots
    cycle_lanes: list[Polygon] = field(default_factory=list)
    walkways: list[Polygon] = field(default_factory=list)
    bays: list[Array] = field(default_factory=list)  # painted lines of parking bays [2, 2]
    parked: list[Parked] = field(default_factory=list)
    buildings: list[tuple[float, ...]] = field(default_factory=list)  # x y heading l w height style
    trees: list[tuple[float, ...]] = field(default_factory=list)  # x y height radius tint
    posts: list[tuple[float, float, float]] = field(default_factory=list)  # lamps: x y heading
    bins: list[tuple[float, float, float]] = field(default_factory=list)  # x y heading
    walks: list[Array] = field(default_factory=list)  # lines on the pavements that people follow


@lru_cache(maxsize=8)
def build_scenery(town: str) -> Scenery:
    """The scenery of a town, a key of `TOWNS`; always the same."""
    net, plan = build_network(town), TOWNS[town]
    rng = np.random.default_rng([plan.seed, 5])
    scenery = Scenery()
    for index, street in enumerate(net.layout.streets):
        half = street.half_width
        scenery.asphalt.append(Polygon(geo.ribbon(street.center, half, -half)))
        for side in (1.0, -1.0):
            _kerbside(scenery, street, side, plan.style, rng)
            if index % 5 == 2 and side < 0:
                _lot(scenery, street, plan.style, rng)
    scenery.asphalt.extend(j.polygon for j in net.junctions)
    _walkways(net, scenery)
    _verge(net, scenery, rng)
    _houses(net, scenery, rng)
    return scenery


def _kerbside(
    scenery: Scenery, street: Street, side: float, style: TownStyle, rng: np.random.Generator
) -> None:
    """The strip between lane and kerb: parked cars or a cycle lane, and the pavement's line."""
    inner = street.lanes * LANE_WIDTH
    outer = street.half_width
    points = street.center
    strip = Polygon(geo.ribbon(points, side * inner, side * outer)).buffer(0)
    if street.side == "bike":
        scenery.cycle_lanes.append(strip)
    else:
        scenery.carparks.append(strip)
        _park(scenery, street, side, style, rng)
    walk = geo.offset(points, side * (outer + PAVEMENT / 2))
    scenery.walks.append(geo.resample(walk if side < 0 else walk[::-1]))


def _park(
    scenery: Scenery, street: Street, side: float, style: TownStyle, rng: np.random.Generator
) -> None:
    lateral = (street.lanes * LANE_WIDTH + street.half_width) / 2
    line = geo.offset(street.center, side * lateral)
    angle = geo.headings(line)
    length = float(geo.arc_length(line)[-1])
    for s in np.arange(KEEP_CLEAR + BAY / 2, length - KEEP_CLEAR - BAY / 2, BAY):
        cross = np.array([-1.2, 1.2]) * side
        edges = geo.at_distance(geo.offset(street.center, side * lateral), s - BAY / 2)
        normal = geo.unit(float(np.interp(s, geo.arc_length(line), angle)) + np.pi / 2)
        scenery.bays.append(edges + cross[:, None] * normal)
        bent = abs(np.gradient(geo.headings(street.center)))[max(0, int(s) - 14) : int(s) + 14]
        if abs(s - length / 2) < 8.0 or rng.random() > style.parked or bent.max() > SHARPEST:
            continue
        heading = float(np.interp(s, geo.arc_length(line), angle)) + (np.pi if side > 0 else 0.0)
        x, y = geo.at_distance(line, s) + rng.normal(0.0, 0.08, 2)
        scenery.parked.append((x, y, heading + rng.normal(0, 0.015), *_car_size(style, rng)))


def _car_size(style: TownStyle, rng: np.random.Generator) -> tuple[float, float, float]:
    if rng.random() < style.tall:
        return (5.0 + rng.normal(0, 0.1), 2.0, 1.85 + rng.normal(0, 0.05))
    return (CAR[0] + rng.normal(0, 0.2), CAR[1] + rng.normal(0, 0.03), CAR[2] + rng.normal(0, 0.05))


def _lot(scenery: Scenery, street: Street, style: TownStyle, rng: np.random.Generator) -> None:
    """An off-street car park on the right-hand side, with cars across its two rows."""
    middle = geo.arc_length(street.center)[-1] / 2
    line = geo.at_distance(street.center, middle + np.array([-1.0, 0.0, 1.0]))
    angle = float(geo.headings(line)[1])
    along, away = geo.unit(angle), geo.unit(angle - np.pi / 2)
    kerb = line[1] + away * street.half_width
    length, depth = LOT
    entry = np.stack([kerb - along * 4 - away, kerb - along * 4 + away * 5])
    gate = np.concatenate([entry, entry[::-1] + along * 8])
    yard = kerb + away * 4.5 - along * length / 2
    ring = np.stack([yard, yard + along * length, yard + along * length + away * depth])
    ring = np.concatenate([ring, [yard + away * depth]])
    scenery.carparks.append(shapely.union(Polygon(gate), Polygon(ring)))
    for row, turn in ((3.0, np.pi / 2), (depth - 3.0, -np.pi / 2)):
        for s in np.arange(1.5, length, 3.0):
            corner = yard + along * (s - 1.5) + away * (row - 2.6)
            scenery.bays.append(np.stack([corner, corner + away * 5.2]))
            if rng.random() < style.parked and (row > 5 or abs(s - length / 2) > 6):
                x, y = yard + along * s + away * row
                scenery.parked.append((x, y, angle + turn, *_car_size(style, rng)))


def _walkways(net: Network, scenery: Scenery) -> None:
    asphalt = shapely.union_all([*scenery.asphalt, *scenery.carparks])
    around = shapely.difference(asphalt.buffer(PAVEMENT, join_style="mitre"), asphalt)
    scenery.walkways.extend(p for p in shapely.get_parts(around) if p.area > 5.0)


def _verge(net: Network, scenery: Scenery, rng: np.random.Generator) -> None:
    """Trees, lamp posts and bins along the pavements, but for car parks and long parking strips."""
    lots = shapely.union_all([p for p in scenery.carparks if p.area > 400.0]).buffer(2.0)
    shapely.prepare(lots)
    for street in net.layout.streets:
        for side in (1.0, -1.0):
            line = geo.offset(street.center, side * (street.half_width + 0.9))
            length = float(geo.arc_length(line)[-1])
            angle = geo.headings(line)
            s = float(rng.uniform(4.0, 12.0))
            while s < length - 4.0:
                x, y = geo.at_distance(line, s)
                heading = float(np.interp(s, geo.arc_length(line), angle))
                if not shapely.contains_xy(lots, x, y):
                    _plant(
                        scenery, (x, y, heading + (np.pi if side > 0 else 0.0)), net.plan.style, rng
                    )
                s += float(rng.uniform(7.0, 14.0))


def _plant(
    scenery: Scenery,
    place: tuple[float, float, float],
    style: TownStyle,
    rng: np.random.Generator,
) -> None:
    x, y, heading = place
    kind = rng.random()
    if kind < style.green:
        height = float(rng.uniform(5.5, 9.0))
        scenery.trees.append((x, y, height, height * rng.uniform(0.22, 0.32), rng.random()))
    elif kind < _POSTS_TO:
        scenery.posts.append((x, y, heading))
    else:
        scenery.bins.append((x, y, heading))


def _houses(net: Network, scenery: Scenery, rng: np.random.Generator) -> None:
    """Houses in rows behind the pavements, none on another or on a street."""
    taken = [
        *(Polygon(geo.ribbon(s.center, s.half_width, -s.half_width)) for s in net.layout.streets),
        *(j.polygon for j in net.junctions),
        *(p for p in scenery.carparks if p.area > 400.0),
    ]
    streets = STRtree([polygon.buffer(PAVEMENT + 0.6) for polygon in taken])
    built: list[Polygon] = []
    for street in net.layout.streets:
        for side in (1.0, -1.0):
            s = float(rng.uniform(-6.0, 6.0))
            length = float(geo.arc_length(street.center)[-1])
            while s < length + 4.0:
                width, depth = rng.uniform(9.0, 19.0), rng.uniform(9.0, 13.0)
                box = _plot(street, side, s + width / 2, depth, net.plan.style, rng)
                shape = Polygon(geo.box_corners(np.array([box[0], box[1], width, depth, box[2]])))
                free = not len(streets.query(shape, predicate="intersects"))
                if free and not any(shape.intersects(other) for other in reversed(built)):
                    built.append(shape)
                    height = float(rng.choice(net.plan.style.heights))
                    style = float(rng.integers(1 << 16))
                    scenery.buildings.append((*box, width, depth, height, style))
                s += width + float(rng.uniform(0.5, 8.0))


def _plot(
    street: Street, side: float, s: float, depth: float, style: TownStyle, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Centre and heading of a house that faces the street at distance s along it."""
    middle = geo.at_distance(street.center, s)
    angle = float(np.interp(s, geo.arc_length(street.center), geo.headings(street.center)))
    setback = street.half_width + PAVEMENT + 1.0 + float(rng.choice(style.setbacks)) + depth / 2
    x, y = middle + side * setback * geo.unit(angle + np.pi / 2)
    return (float(x), float(y), angle)


SIDE_OF_CYCLISTS = SIDE_WIDTH["bike"] / 2 + LANE_WIDTH / 2  # m right of the outermost lane's centre
