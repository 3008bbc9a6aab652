"""What a drive is about: a braking lead, a queue, a cut-in, people on a crosswalk, road works."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reworld_agent.scenes.synthetic.actors.actor import (
    ScenarioActors,
    random_driver,
    random_look,
    vehicle_size,
)
from reworld_agent.scenes.synthetic.actors.casts import Cast
from reworld_agent.scenes.synthetic.actors.hazards import stands_in_lane, steps_out
from reworld_agent.scenes.synthetic.actors.traffic import WARM_UP, Actor
from reworld_agent.scenes.synthetic.actors.walkers import Walker
from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.network import Connector, Lane, Network
from reworld_agent.scenes.synthetic.town.routes import build_path, change_lane, random_chain

_BEFORE_MERGING = 8.0  # m/s


def _turns(net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator) -> bool:
    if rng.random() < 0.5:
        _lead(scenario, rng, gap=float(rng.uniform(25.0, 45.0)))
    return True


def _brakes(net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator) -> bool:
    _lead(scenario, rng, gap=float(rng.uniform(10.0, 22.0)), calm=cast.calm)
    return True


def _queue(net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator) -> bool:
    gap = float(rng.uniform(*cast.queue))
    for _ in range(int(rng.integers(1, 4))):
        _lead(scenario, rng, gap)
        gap += float(rng.uniform(8.0, 14.0))
    return True


def _lead(
    scenario: ScenarioActors,
    rng: np.random.Generator,
    gap: float,
    calm: tuple[float, float] | None = None,
) -> None:
    """A car on ego's own route, `gap` metres before ego's front, that brakes now and then."""
    ego = scenario.actors[0]
    caps: list[tuple[float, float, float]] = []
    if calm is not None:
        time = float(rng.uniform(1.0, 6.0))
        while time < 30.0:
            hold = float(rng.uniform(1.5, 4.0))
            caps.append((time, time + hold, float(rng.choice([0.0, 2.0, 4.0]))))
            time += hold + float(rng.uniform(*calm))
    size = vehicle_size(rng)
    s = ego.s + ego.front + gap + size[0] / 2
    driver = random_driver(rng, tuple(caps))
    speed = min(float(ego.path.speed[int(s)]), ego.v)
    scenario.actors.append(
        Actor("vehicle", size, ego.path, s, speed, driver, look=random_look(rng))
    )


def _cut_in(net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator) -> bool:
    """A car in the neighbouring lane that changes before ego on the second street."""
    ego, begin = scenario.actors[0], scenario.actors[0].path.lanes[2][1]
    first, second = (_neighbour(net, scenario.chain[k]) for k in (0, 2))
    ways = [c for c in net.outgoing[first.fid] if c.target is second]
    beside = build_path(net, [first, *ways, second])
    start = begin + float(rng.uniform(4.0, 16.0))
    path = change_lane(beside, ego.path, start, float(rng.uniform(18.0, 26.0)))
    size = vehicle_size(rng)
    s = ego.s + ego.front + float(rng.uniform(14.5, 20.5)) + size[0] / 2
    limit = float(ego.path.speed[int(s)])
    ego.v = 0.95 * limit
    early, late = rng.uniform(0.92, 0.97) * limit, rng.uniform(0.65, 0.85) * limit
    driver = random_driver(rng, ((WARM_UP, 7.0, float(early)), (7.0, 60.0, float(late))))
    scenario.actors.append(Actor("vehicle", size, path, s, ego.v, driver, look=random_look(rng)))
    return True


def _neighbour(net: Network, lane: Lane | Connector) -> Lane:
    """The next lane of a wide street: the one on the right where there is one."""
    assert isinstance(lane, Lane)
    lanes = net.blocks[lane.block].lanes
    return lanes[lane.index + 1 if lane.index + 1 < len(lanes) else lane.index - 1]


def _crossing(net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator) -> bool:
    """People who step onto crosswalks of ego's route shortly before ego is there."""
    ego = scenario.actors[0]
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
            scenario.walkers.append(
                Walker(line + aside, speed - 0.1 * k, -9.0, random_look(rng), False, True, near)
            )
    return True


def _works(net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator) -> bool:
    """The outer lane of ego's second street closed by cones, barriers and a sign."""
    outer = _neighbour(net, scenario.chain[2])
    scenario.closed = frozenset({outer.fid})
    length = float(geo.arc_length(outer.center)[-1])
    begin = float(rng.uniform(0.25, 0.4)) * length
    angle = geo.headings(outer.center)
    for k, s in enumerate(np.arange(begin, min(begin + 30.0, length - 10.0), 2.6)):
        heading = float(angle[int(s)])
        shift = -1.5 + min(k, 3) * 0.95
        x, y = geo.at_distance(outer.center, s) + shift * geo.unit(heading + np.pi / 2)
        kind = "barrier" if k > 3 and k % 2 == 0 else "traffic_cone"
        scenario.props.append((kind, float(x), float(y), heading))
    x, y = geo.at_distance(outer.center, begin - 5.0)
    scenario.props.append(("czone_sign", float(x), float(y), float(angle[int(begin) - 5])))
    return _turns(net, scenario, cast, rng)


def _obstacle(net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator) -> bool:
    return stands_in_lane(net, scenario, rng)


def _step_out(net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator) -> bool:
    return steps_out(net, scenario, rng) and _turns(net, scenario, cast, rng)


def _red_light(
    net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator
) -> bool:
    return True  # ego comes to it alone: `place_actors` times the lights


def _priority(net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator) -> bool:
    """Somebody who goes straight on, with right of way, where ego turns at its first junction."""
    ego, way = scenario.actors[0], scenario.chain[1]
    assert isinstance(way, Connector)
    others = [
        c
        for c in net.connectors.values()
        if c.junction == way.junction
        and c.kind == "straight"
        and c.source.block != way.source.block
        and c.polygon.intersects(way.polygon)
        and (scenario.theme != "merge" or c.target.fid == way.target.fid)
    ]
    if not others:
        return False
    other = others[int(rng.integers(len(others)))]
    onward = random_chain(
        net, other.target, 200.0, rng, {"straight": 1.0, "left": 0.2, "right": 0.2}
    )
    if onward is None:
        return False
    path = build_path(net, [other.source, other, *onward])
    if scenario.theme == "merge":  # who comes faster brakes hard where it sees that it must wait
        ego.driver = replace(ego.driver, caps=((WARM_UP, 60.0, _BEFORE_MERGING),))
        ego.v = min(ego.v, _BEFORE_MERGING)
    gate = ego.path.gates[0]
    allowed = np.clip(ego.path.speed[int(ego.s) : int(gate.stop)], 2.0, _BEFORE_MERGING)
    eta = float(np.sum(1.0 / allowed))
    speed = 0.9 * float(path.speed[5])
    s = path.gates[0].stop - speed * (eta + float(rng.uniform(-1.6, 0.2)))
    if not 2.0 < s < path.gates[0].stop - 5.0:
        return False
    driver = replace(random_driver(rng), insists=True)
    size = vehicle_size(rng)
    scenario.actors.append(Actor("vehicle", size, path, s, speed, driver, look=random_look(rng)))
    return True


EVENTS = {
    "turns": _turns,
    "lead": _brakes,
    "queue": _queue,
    "cut_in": _cut_in,
    "crossing": _crossing,
    "works": _works,
    "obstacle": _obstacle,
    "step_out": _step_out,
    "red_light": _red_light,
    "left_turn": _priority,
    "merge": _priority,
}
"""By theme, what puts the event into a scenario; False where the route has no place for it."""
