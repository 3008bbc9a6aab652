"""Simulating drives: seeds are tried until one gives a drive that is good enough for a log."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from reworld_agent.core.errors import SceneError
from reworld_agent.scenes.synthetic.actors.actor import ScenarioActors
from reworld_agent.scenes.synthetic.actors.placing import place_actors
from reworld_agent.scenes.synthetic.actors.traffic import Traffic
from reworld_agent.scenes.synthetic.attempts import FIRST_GOOD
from reworld_agent.scenes.synthetic.checks import fault
from reworld_agent.scenes.synthetic.drive import FRAME, SPLITS, Drive, SplitPlan
from reworld_agent.scenes.synthetic.town.geometry import Array
from reworld_agent.scenes.synthetic.town.network import build_network
from reworld_agent.scenes.synthetic.town.signals import Signals

ATTEMPTS = 400  # most only find that a random route does not suit


@lru_cache(maxsize=2)
def make_drive(split: str, index: int) -> Drive:
    """The drive number `index` of a split; the same arguments give the same drive.

    Raises:
        SceneError: no attempt gave a drive without faults (the seeds shipped never do this).
    """
    known = FIRST_GOOD.get(split, ())
    return find_drive(SPLITS[split], index, known[index] if index < len(known) else 0)


def find_drive(plan: SplitPlan, index: int, first: int = 0, attempts: int = ATTEMPTS) -> Drive:
    """The first good drive of a plan among its attempts from `first` on.

    Raises:
        SceneError: none gave a drive without faults.
    """
    net = build_network(plan.town(index).key)
    seconds = (plan.frames - 1) * FRAME
    for attempt in range(first, attempts):
        rng = np.random.default_rng([plan.seed, index, attempt])
        signals = Signals.random(net, rng)
        theme = plan.theme(index, attempt)
        scenario = place_actors(net, signals, plan.cast, theme, seconds, rng)
        if scenario is None:
            continue
        record = Traffic(net, signals, scenario.actors, scenario.walkers).run(seconds)
        drive = Drive(plan, index, net, signals, scenario, record, boxes_at(scenario, record.s))
        if not fault(drive):
            return drive
    raise SceneError(
        f"{plan.name}: no usable drive number {index} in {attempts} attempts",
        "report this with the version of numpy",
    )


def boxes_at(scenario: ScenarioActors, s: Array) -> Array:
    """Boxes [..., N, 5] of all actors at s [..., N] along their paths."""
    boxes = np.zeros((*s.shape, 5))
    for k, actor in enumerate(scenario.actors):
        xy, heading, _ = actor.path.at(s[..., k])
        forward = np.stack([np.cos(heading), np.sin(heading)], -1)
        boxes[..., k, :2] = xy + actor.center_ahead * forward
        boxes[..., k, 2:4] = actor.size[:2]
        boxes[..., k, 4] = heading
    return boxes
