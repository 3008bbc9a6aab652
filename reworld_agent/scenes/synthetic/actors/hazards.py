"""What only eyes tell in time: a vehicle that stands in the lane, people between parked cars."""

from __future__ import annotations

import numpy as np

from reworld_agent.scenes.synthetic.actors.actor import ScenarioActors, random_look, vehicle_size
from reworld_agent.scenes.synthetic.actors.casts import Cast
from reworld_agent.scenes.synthetic.actors.walkers import Walker
from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.layout import LANE_WIDTH
from reworld_agent.scenes.synthetic.town.network import Lane, Network
from reworld_agent.scenes.synthetic.town.routes import shift_path
from reworld_agent.scenes.synthetic.town.scenery import build_scenery

RAMP = 22.0  # m in which ego swerves, and again in which it comes back
CLEAR_OF_JUNCTIONS = 30.0  # m
BESIDE = 0.55  # m between ego and what it passes
EGO_HALF = 1.15  # m
FURTHER_ON = (90.0, 150.0)  # m


def add_more(net: Network, scenario: ScenarioActors, cast: Cast, rng: np.random.Generator) -> None:
    """Hazards further on, beside what the drive is about."""
    if cast.more_standing and rng.random() < cast.more_standing:
        stands_in_lane(net, scenario, rng, FURTHER_ON)
    if cast.more_steps and rng.random() < cast.more_steps:
        steps_out(net, scenario, rng, FURTHER_ON)


def stands_in_lane(
    net: Network,
    scenario: ScenarioActors,
    rng: np.random.Generator,
    ahead: tuple[float, float] = (40.0, 85.0),
) -> bool:
    """A car stands at the right of ego's lane and ego drives round it; False where none fits.

    Args:
        ahead: metres of ego's path before it, from and to.
    """
    ego = scenario.actors[0]
    found = _free_stretch(net, scenario, rng, ahead)
    if found is None:
        return False
    s, lane = found
    size = vehicle_size(rng)
    street = net.street_of(lane)
    wide = lane.index > 0
    lateral = -0.75 if wide else (-1.05 if street.side == "parking" else -1.4)
    lateral += float(rng.uniform(-0.1, 0.1))
    point, heading = ego.path.at(s)[:2]
    x, y = point + lateral * geo.unit(float(heading) + np.pi / 2)
    angle = float(heading + rng.normal(0.0, 0.02))
    scenario.standing.append(("vehicle", float(x), float(y), angle, *size))
    aside = lateral + size[1] / 2 + BESIDE + EGO_HALF
    hold = size[0] + 7.0
    ego.path = shift_path(ego.path, s - hold / 2 - RAMP, RAMP, hold, aside)
    return True


def _free_stretch(
    net: Network,
    scenario: ScenarioActors,
    rng: np.random.Generator,
    ahead: tuple[float, float],
    side: str = "",
) -> tuple[float, Lane] | None:
    """A place (m) of ego's path far from junctions, and its lane: the outermost of its street."""
    ego = scenario.actors[0]
    lanes = {e.fid: e for e in scenario.chain if isinstance(e, Lane)}
    for _ in range(12):
        s = ego.s + float(rng.uniform(*ahead))
        for fid, begin, end in ego.path.lanes:
            inside = begin + CLEAR_OF_JUNCTIONS < s < end - CLEAR_OF_JUNCTIONS
            if not inside or fid not in lanes:
                continue
            lane = lanes[fid]
            outer = lane.index == len(net.blocks[lane.block].lanes) - 1
            if outer and (not side or net.street_of(lane).side == side):
                return s, lane
    return None


def steps_out(
    net: Network,
    scenario: ScenarioActors,
    rng: np.random.Generator,
    ahead: tuple[float, float] = (35.0, 110.0),
) -> bool:
    """Somebody steps onto the road from between parked cars; False where there are none."""
    found = _free_stretch(net, scenario, rng, ahead, "parking")
    if found is None:
        return False
    s, lane = found
    ego, street = scenario.actors[0], net.street_of(lane)
    point, heading = ego.path.at(s)[:2]
    left = geo.unit(float(heading) + np.pi / 2)
    kerb = street.half_width - (lane.index + 0.5) * LANE_WIDTH + 0.6
    far = kerb + 2 * (lane.index + 0.5) * LANE_WIDTH
    line = np.stack([point - kerb * left, point + far * left])
    if _hits_parked(net, line[0], left):
        return False
    near = float(rng.uniform(19.0, 31.0))
    speed = float(rng.uniform(1.3, 1.9))
    scenario.walkers.append(Walker(line, speed, -9.0, random_look(rng), False, True, near))
    return True


def _hits_parked(net: Network, start: geo.Array, left: geo.Array) -> bool:
    """Whether a parked car stands in the way from the kerb to the lane."""
    parked = np.array(build_scenery(net.plan.key).parked)
    if not len(parked):
        return False
    way = start + np.linspace(0.0, 3.0, 4)[:, None] * left
    delta = parked[:, None, :2] - way
    cos, sin = np.cos(parked[:, None, 2]), np.sin(parked[:, None, 2])
    along = np.abs(cos * delta[..., 0] + sin * delta[..., 1]) - parked[:, None, 3] / 2
    across = np.abs(cos * delta[..., 1] - sin * delta[..., 0]) - parked[:, None, 4] / 2
    return bool(((along < 0.45) & (across < 0.45)).any())


def stand_by(net: Network, scenario: ScenarioActors, rng: np.random.Generator, count: int) -> None:
    """People at the kerb of crosswalks and streets near the route, who stay where they are."""
    ego = scenario.actors[0]
    for _ in range(count):
        s = ego.s + float(rng.uniform(15.0, 130.0))
        lanes = {e.fid: e for e in scenario.chain if isinstance(e, Lane)}
        for fid, begin, end in ego.path.lanes:
            if fid not in lanes or not begin + 4.0 < s < end - 4.0:
                continue
            lane = lanes[fid]
            street, side = net.street_of(lane), -1.0 if rng.random() < 0.7 else 1.0
            center = lane.center[min(int(s - begin), len(lane.center) - 1)]
            heading = float(ego.path.at(s)[1])
            middle = center + (lane.index + 0.5) * LANE_WIDTH * geo.unit(heading + np.pi / 2)
            spot = middle + side * (street.half_width + 0.7) * geo.unit(heading + np.pi / 2)
            line = np.stack([spot, spot - side * 3.0 * geo.unit(heading + np.pi / 2)])
            scenario.walkers.append(Walker(line, 1.0, np.inf, random_look(rng)))
