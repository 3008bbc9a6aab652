"""Casting: ego's route by lot, its lights, and everybody around it."""

from __future__ import annotations

import numpy as np

from reworld_agent.scenes.synthetic.actors.actor import (
    EGO_CENTER,
    EGO_SIZE,
    ScenarioActors,
    random_driver,
    random_look,
    vehicle_size,
)
from reworld_agent.scenes.synthetic.actors.casts import Cast
from reworld_agent.scenes.synthetic.actors.events import EVENTS
from reworld_agent.scenes.synthetic.actors.hazards import add_more, stand_by
from reworld_agent.scenes.synthetic.actors.traffic import WARM_UP, Actor, Driver
from reworld_agent.scenes.synthetic.actors.walkers import Walker
from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.geometry import Array
from reworld_agent.scenes.synthetic.town.network import Connector, Lane, Network
from reworld_agent.scenes.synthetic.town.routes import build_path, random_chain
from reworld_agent.scenes.synthetic.town.scenery import SIDE_OF_CYCLISTS, build_scenery
from reworld_agent.scenes.synthetic.town.signals import GREEN_TIME, Signals

EGO_DRIVER = Driver(acceleration=1.75, braking=2.6, headway=1.3, gap=1.9)
EGO_TURNS = {"left": 1.0, "straight": 0.3, "right": 1.2}
OTHER_TURNS = {"left": 0.5, "straight": 1.0, "right": 0.6}
BEYOND = 130.0  # m of route beyond the end of the drive


def place_actors(
    net: Network,
    signals: Signals,
    cast: Cast,
    theme: str,
    seconds: float,
    rng: np.random.Generator,
) -> ScenarioActors | None:
    """The scenario of one drive, or None where chance gave no usable route."""
    lanes = _first_lanes(net, theme)
    if not lanes:
        return None
    lane = lanes[int(rng.integers(len(lanes)))]
    chain = random_chain(net, lane, 9.0 * seconds + BEYOND + 60.0, rng, EGO_TURNS)
    if chain is None or not _suits(net, chain, theme):
        return None
    path = build_path(net, chain)
    begin = float(rng.uniform(3.0, 20.0))
    speed = float(path.speed[int(begin)]) * float(rng.uniform(0.75, 1.0))
    ego = Actor("ego", EGO_SIZE, path, begin, speed, EGO_DRIVER, EGO_CENTER)
    scenario = ScenarioActors(theme, chain, [ego])
    _time_lights(signals, ego, cast, theme, rng)
    if theme != "cut_in":  # who cuts in keeps to ego's path as it was
        add_more(net, scenario, cast, rng)
    if not EVENTS[theme](net, scenario, cast, rng):
        return None
    _fill_traffic(net, scenario, cast, rng)
    _cyclists(net, scenario, rng)
    _strollers(net, scenario, cast, rng)
    stand_by(net, scenario, rng, cast.bystanders)
    return scenario


_GIVES_WAY = {"left_turn": "left", "merge": "right"}  # the turn at ego's first junction


def _has_no_rule(net: Network, way: Connector) -> bool:
    """Whether a junction has neither lights nor an island."""
    junction = net.junctions[way.junction]
    return not junction.signalled and junction.island == 0.0


def _first_lanes(net: Network, theme: str) -> list[Lane]:
    """Lanes on which a drive about `theme` may begin."""
    lanes = list(net.lanes.values())
    if theme in _GIVES_WAY:
        kind = _GIVES_WAY[theme]
        ways = [c for c in net.connectors.values() if c.kind == kind and _has_no_rule(net, c)]
        return list({way.source.fid: way.source for way in ways}.values())
    if theme in ("queue", "red_light"):
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
    if theme in _GIVES_WAY:
        return way.kind == _GIVES_WAY[theme] and _has_no_rule(net, way)
    if theme == "works":
        return wide and lane.index == len(net.blocks[lane.block].lanes) - 2
    return theme != "cut_in" or (wide and way.kind == "straight")


def _time_lights(
    signals: Signals, ego: Actor, cast: Cast, theme: str, rng: np.random.Generator
) -> None:
    """Most lights are green when ego comes; in a queue the first is red until people wait."""
    waited = theme not in ("queue", "red_light")
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
        elif rng.random() < cast.green:
            early = float(rng.uniform(0.25, 0.6)) * GREEN_TIME
            signals.turn_green(connector.junction, connector.source.block, eta - early)


def _crowded(scenario: ScenarioActors, point: Array, distance: float) -> bool:
    here = np.array([a.path.xy[int(a.s)] for a in scenario.actors])
    return bool((np.hypot(*(here - point).T) < distance).any())


def _fill_traffic(
    net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator
) -> None:
    """Other cars on the lanes around ego's route, and one behind ego."""
    ego = scenario.actors[0]
    lanes = [lane for lane in net.lanes.values() if lane.fid not in scenario.closed]
    wanted = len(scenario.actors) + int(rng.integers(*cast.cars))
    for _ in range(wanted * 4):
        if len(scenario.actors) >= wanted:
            break
        lane = lanes[int(rng.integers(len(lanes)))]
        s = float(rng.uniform(5.0, len(lane.center) - 14.0))
        if _crowded(scenario, lane.center[int(s)], 13.0):
            continue
        if np.hypot(*(ego.path.xy[:220:8] - lane.center[int(s)]).T).min() > 75.0:
            continue
        if lane.fid == scenario.chain[0].fid and s > ego.s:
            continue  # ego's own lane belongs to the event
        chain = random_chain(net, lane, 240.0, rng, OTHER_TURNS)
        if chain is None or scenario.closed & {element.fid for element in chain}:
            continue
        path = build_path(net, chain)
        speed = float(path.speed[int(s)]) * float(rng.uniform(0.6, 1.0))
        scenario.actors.append(
            Actor(
                "vehicle",
                vehicle_size(rng),
                path,
                s,
                speed,
                random_driver(rng),
                look=random_look(rng),
            )
        )


def _cyclists(net: Network, scenario: ScenarioActors, rng: np.random.Generator) -> None:
    """Cyclists on the cycle lanes, straight on wherever their street goes on."""
    lanes = [
        block.lanes[-1]
        for block in net.blocks.values()
        if net.layout.streets[block.street].side == "bike"
    ]
    ego = scenario.actors[0]
    for _ in range(int(rng.integers(2, 6)) if lanes else 0):
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
        scenario.actors.append(
            Actor("bicycle", (1.8, 0.7, 1.75), path, s, 3.5, driver, look=random_look(rng))
        )


def _strollers(
    net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator
) -> None:
    """People on the pavements near the route, to and fro."""
    walks = build_scenery(net.plan.key).walks
    ego = scenario.actors[0]
    for _ in range(40):
        if sum(not w.crosses for w in scenario.walkers) >= cast.strollers:
            break
        walk = walks[int(rng.integers(len(walks)))]
        if np.hypot(*(ego.path.xy[:220:8, None] - walk[None, ::8]).transpose(2, 0, 1)).min() > 25.0:
            continue
        part = int(rng.integers(0, max(1, len(walk) - 30)))
        line = geo.offset(walk[part : part + 30], float(rng.uniform(-0.9, 0.9)))
        line = line if rng.random() < 0.5 else line[::-1]
        start = -float(rng.uniform(5.0, 40.0))
        speed = float(rng.uniform(1.0, 1.7))
        scenario.walkers.append(Walker(line, speed, start, random_look(rng), loop=True))
