"""Which shapes stand where at a moment of a drive: the list that a camera paints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reworld_agent.scenes.synthetic.drive import Drive, Moment
from reworld_agent.scenes.synthetic.render import shapes, shapes_street
from reworld_agent.scenes.synthetic.render.shapes import Shape
from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.geometry import Array
from reworld_agent.scenes.synthetic.town.layout import LANE_WIDTH
from reworld_agent.scenes.synthetic.town.network import Network, build_network
from reworld_agent.scenes.synthetic.town.scenery import build_scenery

SIGHT = 150.0  # m
STRIDES = 8  # poses of a walking person


@dataclass(frozen=True)
class Placed:
    """A shape at a place."""

    shape: Shape
    x: float
    y: float
    heading: float
    braking: bool = False


@lru_cache(maxsize=2)
def fixed_things(town: str, walled: bool = False) -> tuple[list[Placed], Array]:
    """What always stands in a town, and its places [N, 3] (x, y, radius).

    Args:
        walled: windows are a texture of the walls, not polygons.
    """
    scenery = build_scenery(town)
    build = shapes_street.walled_house if walled else shapes_street.house
    things = [
        Placed(build(width, depth, height, int(style)), x, y, heading)
        for x, y, heading, width, depth, height, style in scenery.buildings
    ]
    things += [
        Placed(shapes_street.tree(height, radius, tint), x, y, 0.0)
        for x, y, height, radius, tint in scenery.trees
    ]
    things += [Placed(shapes_street.lamp_post(), *post) for post in scenery.posts]
    things += [Placed(shapes_street.bin_shape(), *place) for place in scenery.bins]
    for k, (x, y, heading, length, width, height) in enumerate(scenery.parked):
        things.append(Placed(shapes.car(length, width, height, k * 7), x, y, heading))
    places = [(t.x, t.y, float(np.hypot(*t.shape.half))) for t in things]
    return things, np.array(places)


@dataclass(frozen=True)
class SignalPost:
    """Where the lights for an approach stand."""

    junction: int
    block: int
    x: float
    y: float
    heading: float
    reach: float


@lru_cache(maxsize=2)
def signal_posts(town: str) -> list[SignalPost]:
    """On the far side of the junction, right of the way straight on, with an arm over the road."""
    net = build_network(town)
    posts = []
    for index, junction in enumerate(net.junctions):
        if not junction.signalled:
            continue
        for block in junction.approaches:
            posts.append(_post(net, index, block))
    return posts


def _post(net: Network, index: int, block: int) -> SignalPost:
    lanes = net.blocks[block].lanes
    heading = float(geo.headings(net.blocks[block].center_line)[-1])
    end = net.blocks[block].center_line[-1]
    across = 2.0 * net.layout.radius[net.junctions[index].key] + 1.0
    reach = 2.2 + LANE_WIDTH * len(lanes) / 2
    right = LANE_WIDTH * len(lanes) + 2.4
    place = end + across * geo.unit(heading) + right * geo.unit(heading - np.pi / 2)
    return SignalPost(index, block, float(place[0]), float(place[1]), heading, reach)


class Stage:
    """Everything visible on one drive."""

    def __init__(self, drive: Drive, walled: bool = False) -> None:
        self.drive = drive
        self.fixed, self.places = fixed_things(drive.net.plan.key, walled)
        self.posts = signal_posts(drive.net.plan.key)
        self.works = [
            Placed(_prop(kind), x, y, angle) for kind, x, y, angle in drive.scenario.props
        ]
        self.works += [
            Placed(body_shape(kind, (*size,), round(1e3 * x)), x, y, heading)
            for kind, x, y, heading, *size in drive.scenario.standing
        ]
        self.bodies = [body_shape(a.kind, a.size, a.look) for a in drive.scenario.actors[1:]]

    def at(self, step: int, here: Array, axis: Array) -> list[Placed]:
        """What may be seen from `here` in the direction `axis` at a simulation step."""
        delta = self.places[:, :2] - here
        ahead = delta @ axis
        aside = np.abs(delta[:, 1] * axis[0] - delta[:, 0] * axis[1])
        margin = self.places[:, 2] + 3.0
        seen = (ahead > -margin) & (ahead < SIGHT) & (aside < 0.68 * ahead + 1.6 * margin)
        things = [self.fixed[k] for k in np.flatnonzero(seen)]
        things += self.movable(self.drive.moment(step))
        return [t for t in things if _in_sight(t, here, axis)]

    def movable(self, moment: Moment) -> list[Placed]:
        """Signals, and all that is there for this drive."""
        return self._signals(moment) + self.works + self._traffic(moment) + self._people(moment)

    def _traffic(self, moment: Moment) -> list[Placed]:
        return [
            Placed(body, x, y, heading, bool(braking))
            for body, (x, y, _, _, heading), braking in zip(
                self.bodies, moment.boxes[1:], moment.braking[1:], strict=True
            )
        ]

    def _people(self, moment: Moment) -> list[Placed]:
        placed = []
        poses = moment.walkers
        for walker, (x, y, heading, speed) in zip(self.drive.scenario.walkers, poses, strict=True):
            phase = round(moment.time * 1.1 * STRIDES) % STRIDES if speed > 0.0 else 0
            placed.append(Placed(person_shape(walker.look, phase), x, y, heading))
        return placed

    def _signals(self, moment: Moment) -> list[Placed]:
        signals = self.drive.signals
        return [
            Placed(
                signal_shape(signals.state(p.junction, p.block, moment.time), p.reach),
                p.x,
                p.y,
                p.heading,
            )
            for p in self.posts
        ]


def _in_sight(thing: Placed, here: Array, axis: Array) -> bool:
    dx, dy = thing.x - here[0], thing.y - here[1]
    ahead = dx * axis[0] + dy * axis[1]
    return bool(-14.0 < ahead < SIGHT)


@lru_cache(maxsize=4096)
def body_shape(kind: str, size: tuple[float, float, float], look: int) -> Shape:
    """A car, a lorry or a cyclist."""
    if kind == "bicycle":
        return shapes_street.cyclist(look)
    return (shapes.lorry if size[0] > 7.0 else shapes.car)(*size, look=look)


@lru_cache(maxsize=1024)
def person_shape(look: int, phase: int) -> Shape:
    """Somebody on foot in one of STRIDES poses."""
    look %= 64
    return shapes_street.person(
        1.6 + 0.2 * (look % 5) / 4, look, np.sin(2 * np.pi * phase / STRIDES)
    )


@lru_cache(maxsize=64)
def signal_shape(state: int, reach: float) -> Shape:
    """Traffic lights; see `shapes_street.signal`."""
    return shapes_street.signal(state, reach)


@lru_cache(maxsize=8)
def _prop(kind: str) -> Shape:
    if kind == "barrier":
        return shapes_street.barrier(2.0, 0.5, 1.05)
    return shapes_street.cone() if kind == "traffic_cone" else shapes_street.works_sign()
