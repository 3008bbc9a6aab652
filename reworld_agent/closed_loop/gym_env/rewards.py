"""What a learner is paid for a step: the PDM score's own formula over what was driven in it.

Metrics are those of `pdm.metrics.table`, with their weights, from the world's own state: nobody
knows the next four seconds of traffic that answers. A step is worth 0 to 1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.contacts import COLLISION, OFF_MAP, OFF_ROAD, Event
from reworld_agent.closed_loop.stage import TICK
from reworld_agent.closed_loop.world import World
from reworld_agent.pdm.metrics.comfort import BOUNDS
from reworld_agent.pdm.metrics.table import COMFORT, EP, PDMS_V1, TTC
from reworld_agent.pdm.simulate.bicycle import AX, VX, YAW_ACCELERATION, YAW_RATE
from reworld_agent.scenes.synthetic.drive import Moment

Array = NDArray[np.float64]
_AHEAD = (0.3, 0.6, 0.9)  # s at which time-to-collision looks
_STANDING = 0.05  # m/s: whoever stands is not at fault
_LEAST_WAY = 0.5  # m: of a step in which nobody could have come further
_ACCELERATION, _SIDEWAYS, _YAW_ACCELERATION, _YAW_RATE = BOUNDS[[0, 1, 4, 5]]


def step_reward(world: World, events: list[Event], start: int, along: float) -> float:
    """The worth of what was driven since tick `start`.

    A collision while moving, or a corner off the road, is worth 0. Else the weighted mean of
    progress (of what the route's speed allows), time to collision (nobody is touched for 0.9 s at
    constant velocities), and comfort (accelerations and turning within the scorer's bounds).

    Args:
        world: after the step.
        events: of the step.
        start: its first tick.
        along: m along the route where it began.
    """
    states = world.states[start:]
    kinds = {event.kind for event in events}
    if COLLISION in kinds and float(np.abs(states[:, VX]).max()) > _STANDING:
        return 0.0
    now = world.stage.now.moment
    if kinds & {OFF_ROAD, OFF_MAP} or not world.surroundings.on_road(now):
        return 0.0
    values = {
        EP.name: _progress(world, len(states) - 1, along),
        TTC.name: float(not _would_touch(world, now)),
        COMFORT.name: float(_is_comfortable(states)),
    }
    weights = PDMS_V1.weights
    worth = sum(weights[name] * value for name, value in values.items())
    return worth / sum(weights[name] for name in values)


def _progress(world: World, ticks: int, along: float) -> float:
    """Share of the way that the route's speed allows: limits, bends, and red lights as they are."""
    path = world.drive.scenario.actors[0].path
    limit = float(path.speed[min(int(along), len(path.speed) - 1)])
    way = float(world.stage.now.s) - along
    possible = limit * ticks * TICK
    return 1.0 if possible < _LEAST_WAY else float(np.clip(way / possible, 0.0, 1.0))


def _would_touch(world: World, moment: Moment) -> bool:
    """Whether ego touches somebody soon, if all go on at their velocities."""
    if moment.speed[0] < _STANDING:
        return False
    already = set(world.surroundings.touched(moment))
    for seconds in _AHEAD:
        boxes, walkers = moment.boxes.copy(), moment.walkers.copy()
        boxes[:, :2] += _step(boxes[:, 4], moment.speed * seconds)
        walkers[:, :2] += _step(walkers[:, 2], walkers[:, 3] * seconds)
        later = replace(moment, boxes=boxes, walkers=walkers)
        if set(world.surroundings.touched(later)) - already:
            return True
    return False


def _step(heading: Array, way: Array) -> Array:
    return np.stack([np.cos(heading), np.sin(heading)], -1) * way[:, None]


def _is_comfortable(states: Array) -> bool:
    driven = states[1:]
    pairs = (
        (driven[:, AX], _ACCELERATION),
        (driven[:, VX] * driven[:, YAW_RATE], _SIDEWAYS),
        (driven[:, YAW_ACCELERATION], _YAW_ACCELERATION),
        (driven[:, YAW_RATE], _YAW_RATE),
    )
    return all(bool(((values >= low) & (values <= high)).all()) for values, (low, high) in pairs)
