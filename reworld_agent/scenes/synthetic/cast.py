"""Who takes part in a drive: ego's route, traffic around it, and the event the drive is about."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reworld_agent.scenes.synthetic import geometry as geo
from reworld_agent.scenes.synthetic.geometry import Array
from reworld_agent.scenes.synthetic.network import Connector, Lane, Network
from reworld_agent.scenes.synthetic.routes import build_path, change_lane, random_chain
from reworld_agent.scenes.synthetic.scenery import SIDE_OF_CYCLISTS, build_scenery
from reworld_agent.scenes.synthetic.signals import GREEN_TIME, Signals
from reworld_agent.scenes.synthetic.traffic import WARM_UP, Actor, Driver, Walker

EGO_SIZE = (5.176, 2.297, 1.777)  # nuPlan's Pacifica (m)
EGO_CENTER = 1.461  # m from the rear axle to the centre of the box
EGO_DRIVER = Driver(acceleration=1.75, braking=2.6, headway=1.3, gap=1.9)
THEMES = ("turns", "lead", "queue", "cut_in", "crossing", "works", "queue", "lead")
EGO_TURNS = {"left": 1.0, "straight": 0.3, "right": 1.2}
OTHER_TURNS = {"left": 0.5, "straight": 1.0, "right": 0.6}
GREEN_SHARE = 0.88  # of the lights are green when ego comes
BEYOND = 130.0  # m of route beyond the end of the drive


@dataclass
class Cast:
    """Everybody and everything movable of one drive."""

    theme: str
    chain: list[Lane | Connector]
    actors: list[Actor]
    walkers: list[Walker] = field(default_factory=list)
    props: list[tuple[str, float, float, float]] = field(default_factory=list)  # kind x y heading
    closed: frozenset[int] = frozenset()  # lanes that nobody may use


def choose_cast(
    net: Network, signals: Signals, theme: str, seconds: float, rng: np.random.Generator
) -> Cast | None:
    """The cast of one drive, or None where chance gave no usable route."""
    lanes = _first_lanes(net, theme)
    lane = lanes[int(rng.integers(len(lanes)))]
    chain = random_chain(net, lane, 9.0 * seconds + BEYOND + 60.0, rng, EGO_TURNS)
    if chain is None or not _suits(net, chain, theme):
        return None
    path = build_path(net, chain)
    begin = float(rng.uniform(3.0, 20.0))
    speed = float(path.speed[int(begin)]) * float(rng.uniform(0.75, 1.0))
    ego = Actor("ego", EGO_SIZE, path, begin, speed, EGO_DRIVER, EGO_CENTER)
    cast = Cast(theme, chain, [ego])
    _time_lights(signals, ego, theme, rng)
    _EVENTS[theme](net, cast, rng)
    _fill_traffic(net, cast, rng)
    _cyclists(net, cast, rng)
    _strollers(net, cast, rng)
    return cast


def _first_lanes(net: Network, theme: str) -> list[Lane]:
    """Lanes on which a drive about `theme` may begin."""
    lanes = list(net.lanes.values())
    if theme == "queue":
        lit = {f for junction in net.junctions if junction.signalled for f in junction.approaches}
        return [lane for lane in lanes if lane.block in lit]
    if theme == "cut_in":
        return [lane for lane in lanes if len(net.blocks[lane.block].lanes) > 1]
    return lanes


def _suits(net: Network, chain: list[Lane | Connector], theme: str) -> bool:
    """Whether the event can happen on the second street of the route."""
    way, lane = chain[1], chain[2]
    assert isinstance(way, Connector) and isinstance(lane, Lane)
    wide = len(net.blocks[lane.block].lanes) > 1
    if theme == "works":
        return wide and lane.index == 0
    return theme != "cut_in" or (wide and way.kind == "straight")


def _time_lights(signals: Signals, ego: Actor, theme: str, rng: np.random.Generator) -> None:
    """Most lights are green when ego comes; in a queue the first is red until people wait."""
    waited = theme != "queue"
    for gate in ego.path.gates:
        connector = gate.connector
        if connector.junction not in signals.offsets:
            continue
        way = ego.path.speed[int(ego.s) : int(gate.stop)]
        eta = WARM_UP + float(np.sum(1.0 / np.maximum(way, 2.0)))
        if not waited:
            eta += float(rng.uniform(5.0, 9.0))
            waited = True
            signals.turn_green(connector.junction, connector.source.block, eta)
        elif rng.random() < GREEN_SHARE:
            early = float(rng.uniform(0.25, 0.6)) * GREEN_TIME
            signals.turn_green(connector.junction, connector.source.block, eta - early)


# -- events ---------------------------------------------------------------------------------
def _turns(net: Network, cast: Cast, rng: np.random.Generator) -> None:
    if rng.random() < 0.5:
        _lead(net, cast, rng, gap=float(rng.uniform(25.0, 45.0)), brakes=False)


def _brakes(net: Network, cast: Cast, rng: np.random.Generator) -> None:
    _lead(net, cast, rng, gap=float(rng.uniform(10.0, 22.0)), brakes=True)


def _queue(net: Network, cast: Cast, rng: np.random.Generator) -> None:
    gap = float(rng.uniform(9.0, 14.0))
    for _ in range(int(rng.integers(1, 4))):
        _lead(net, cast, rng, gap, brakes=False)
        gap += float(rng.uniform(8.0, 14.0))


def _lead(net: Network, cast: Cast, rng: np.random.Generator, gap: float, brakes: bool) -> None:
    """A car on ego's own route, `gap` metres before ego's front."""
    ego = cast.actors[0]
    caps: list[tuple[float, float, float]] = []
    if brakes:
        time = float(rng.uniform(1.0, 6.0))
        while time < 30.0:
            hold = float(rng.uniform(1.5, 4.0))
            caps.append((time, time + hold, float(rng.choice([0.0, 2.0, 4.0]))))
            time += hold + float(rng.uniform(5.0, 9.0))
    size = vehicle_size(rng)
    s = ego.s + ego.front + gap + size[0] / 2
    driver = _driver(rng, tuple(caps))
    speed = min(float(ego.path.speed[int(s)]), ego.v)
    cast.actors.append(Actor("vehicle", size, ego.path, s, speed, driver, look=_look(rng)))


def _cut_in(net: Network, cast: Cast, rng: np.random.Generator) -> None:
    """A car in the neighbouring lane that changes before ego on the second street."""
    ego, begin = cast.actors[0], cast.actors[0].path.lanes[2][1]
    first, second = (_neighbour(net, cast.chain[k]) for k in (0, 2))
    ways = [c for c in net.outgoing[first.fid] if c.target is second]
    beside = build_path(net, [first, *ways, second])
    start = begin + float(rng.uniform(4.0, 16.0))
    path = change_lane(beside, ego.path, start, float(rng.uniform(18.0, 26.0)))
    size = vehicle_size(rng)
    s = ego.s + ego.front + float(rng.uniform(11.0, 17.0)) + size[0] / 2
    limit = float(ego.path.speed[int(s)])
    ego.v = 0.95 * limit
    early, late = rng.uniform(0.92, 0.97) * limit, rng.uniform(0.65, 0.85) * limit
    driver = _driver(rng, ((WARM_UP, 7.0, float(early)), (7.0, 60.0, float(late))))
    cast.actors.append(Actor("vehicle", size, path, s, ego.v, driver, look=_look(rng)))


def _neighbour(net: Network, lane: Lane | Connector) -> Lane:
    """The other lane of a street with two."""
    assert isinstance(lane, Lane)
    return net.blocks[lane.block].lanes[1 - lane.index]


def _crossing(net: Network, cast: Cast, rng: np.random.Generator) -> None:
    """People who step onto crosswalks of ego's route shortly before ego is there."""
    ego = cast.actors[0]
    for crosswalk in net.crosswalks:
        distance = np.hypot(*(ego.path.xy - crosswalk.line.mean(axis=0)).T)
        at = int(distance.argmin())
        if distance[at] > 4.0 or at < ego.s + 25.0 or rng.random() < 0.3:
            continue
        heading = float(ego.path.heading[at])
        right = geo.unit(heading - np.pi / 2)
        line = crosswalk.line
        if (line[0] - line[1]) @ right < 0:
            line = line[::-1]  # from ego's side of the road
        speed = float(rng.uniform(1.2, 1.7))
        near = float(rng.uniform(20.0, 32.0))
        for k in range(int(rng.integers(1, 3))):
            aside = geo.unit(heading) * 0.9 * k
            cast.walkers.append(
                Walker(line + aside, speed - 0.1 * k, -9.0, _look(rng), False, True, near)
            )


def _works(net: Network, cast: Cast, rng: np.random.Generator) -> None:
    """The outer lane of ego's second street closed by cones, barriers and a sign."""
    outer = _neighbour(net, cast.chain[2])
    cast.closed = frozenset({outer.fid})
    length = float(geo.arc_length(outer.center)[-1])
    begin = float(rng.uniform(0.25, 0.4)) * length
    angle = geo.headings(outer.center)
    for k, s in enumerate(np.arange(begin, min(begin + 30.0, length - 10.0), 2.6)):
        heading = float(angle[int(s)])
        shift = -1.5 + min(k, 3) * 0.95
        x, y = geo.at_distance(outer.center, s) + shift * geo.unit(heading + np.pi / 2)
        kind = "barrier" if k > 3 and k % 2 == 0 else "traffic_cone"
        cast.props.append((kind, float(x), float(y), heading))
    x, y = geo.at_distance(outer.center, begin - 5.0)
    cast.props.append(("czone_sign", float(x), float(y), float(angle[int(begin) - 5])))
    _turns(net, cast, rng)


_EVENTS = {
    "turns": _turns,
    "lead": _brakes,
    "queue": _queue,
    "cut_in": _cut_in,
    "crossing": _crossing,
    "works": _works,
}


# -- the others -----------------------------------------------------------------------------
def vehicle_size(rng: np.random.Generator) -> tuple[float, float, float]:
    """Length, width, height (m) of a car, a van or, seldom, a lorry."""
    kind = rng.random()
    if kind < 0.7:
        return (4.6 + rng.normal(0, 0.2), 1.88 + rng.normal(0, 0.04), 1.5 + rng.normal(0, 0.05))
    if kind < 0.93:
        return (5.2 + rng.normal(0, 0.2), 2.0, 1.95 + rng.normal(0, 0.08))
    return (8.2, 2.4, 3.1)


def _driver(rng: np.random.Generator, caps: tuple[tuple[float, float, float], ...] = ()) -> Driver:
    return Driver(
        acceleration=float(rng.uniform(1.4, 2.0)),
        braking=float(rng.uniform(2.0, 2.6)),
        headway=float(rng.uniform(1.1, 1.6)),
        gap=float(rng.uniform(2.0, 3.0)),
        caps=caps,
    )


def _look(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 30))


def _crowded(cast: Cast, point: Array, distance: float) -> bool:
    here = np.array([a.path.xy[int(a.s)] for a in cast.actors])
    return bool((np.hypot(*(here - point).T) < distance).any())


def _fill_traffic(net: Network, cast: Cast, rng: np.random.Generator) -> None:
    """Other cars on the lanes around ego's route, and one behind ego."""
    ego = cast.actors[0]
    lanes = [lane for lane in net.lanes.values() if lane.fid not in cast.closed]
    wanted = len(cast.actors) + int(rng.integers(12, 20))
    for _ in range(wanted * 4):
        if len(cast.actors) >= wanted:
            break
        lane = lanes[int(rng.integers(len(lanes)))]
        s = float(rng.uniform(5.0, len(lane.center) - 14.0))
        if _crowded(cast, lane.center[int(s)], 13.0):
            continue
        if np.hypot(*(ego.path.xy[:220:8] - lane.center[int(s)]).T).min() > 75.0:
            continue
        if lane.fid == cast.chain[0].fid and s > ego.s:
            continue  # ego's own lane belongs to the event
        chain = random_chain(net, lane, 240.0, rng, OTHER_TURNS)
        if chain is None or cast.closed & {element.fid for element in chain}:
            continue
        path = build_path(net, chain)
        speed = float(path.speed[int(s)]) * float(rng.uniform(0.6, 1.0))
        cast.actors.append(
            Actor("vehicle", vehicle_size(rng), path, s, speed, _driver(rng), look=_look(rng))
        )


def _cyclists(net: Network, cast: Cast, rng: np.random.Generator) -> None:
    """Cyclists on the cycle lanes, straight on wherever their street goes on."""
    lanes = [
        block.lanes[-1]
        for block in net.blocks.values()
        if net.layout.streets[block.street].side == "bike"
    ]
    ego = cast.actors[0]
    for _ in range(int(rng.integers(2, 6))):
        lane = lanes[int(rng.integers(len(lanes)))]
        s = float(rng.uniform(2.0, len(lane.center) - 10.0))
        if np.hypot(*(ego.path.xy[:200:8] - lane.center[int(s)]).T).min() > 60.0:
            continue
        chain: list[Lane | Connector] = [lane]
        while len(chain) < 5:
            ahead = [c for c in net.outgoing.get(lane.fid, []) if c.kind == "straight"]
            ahead = [c for c in ahead if net.street_of(c.target).side == "bike"]
            if (
                not ahead
                or ahead[-1].target.index != len(net.blocks[ahead[-1].target.block].lanes) - 1
            ):
                break
            chain += [ahead[-1], ahead[-1].target]
            lane = ahead[-1].target
        path = build_path(net, chain, -SIDE_OF_CYCLISTS, float(rng.uniform(3.5, 5.5)))
        driver = Driver(1.0, 1.5, 1.2, 1.5)
        cast.actors.append(
            Actor("bicycle", (1.8, 0.7, 1.75), path, s, 3.5, driver, look=_look(rng))
        )


def _strollers(net: Network, cast: Cast, rng: np.random.Generator) -> None:
    """People on the pavements near the route, to and fro."""
    walks = build_scenery(net.city).walks
    ego = cast.actors[0]
    for _ in range(40):
        if sum(not w.crosses for w in cast.walkers) >= 9:
            break
        walk = walks[int(rng.integers(len(walks)))]
        if np.hypot(*(ego.path.xy[:220:8, None] - walk[None, ::8]).transpose(2, 0, 1)).min() > 25.0:
            continue
        part = int(rng.integers(0, max(1, len(walk) - 30)))
        line = geo.offset(walk[part : part + 30], float(rng.uniform(-0.9, 0.9)))
        line = line if rng.random() < 0.5 else line[::-1]
        start = -float(rng.uniform(5.0, 40.0))
        speed = float(rng.uniform(1.0, 1.7))
        cast.walkers.append(Walker(line, speed, start, _look(rng), loop=True))
