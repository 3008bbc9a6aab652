"""The people and things of one drive, and how they are drawn by lot."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reworld_agent.scenes.synthetic.actors.traffic import Actor, Driver
from reworld_agent.scenes.synthetic.actors.walkers import Walker
from reworld_agent.scenes.synthetic.town.network import Connector, Lane

EGO_SIZE = (5.176, 2.297, 1.777)  # nuPlan's Pacifica (m)
EGO_CENTER = 1.461  # m from the rear axle to the centre of the box
PERSON = (0.7, 0.7, 1.75)  # length, width, height (m)
PROPS = {
    "traffic_cone": (0.4, 0.4, 0.75),
    "barrier": (2.0, 0.5, 1.05),
    "czone_sign": (0.5, 0.9, 1.7),
    "generic_object": (0.7, 0.7, 1.1),
}
Thing = tuple[str, float, float, float, float, float, float]  # kind x y heading l w h


@dataclass
class ScenarioActors:
    """Everybody and everything movable of one drive."""

    theme: str
    chain: list[Lane | Connector]
    actors: list[Actor]
    walkers: list[Walker] = field(default_factory=list)
    props: list[tuple[str, float, float, float]] = field(default_factory=list)  # kind x y heading
    closed: frozenset[int] = frozenset()  # lanes that nobody may use
    standing: list[Thing] = field(default_factory=list)  # vehicles that stand in the way


def vehicle_size(rng: np.random.Generator) -> tuple[float, float, float]:
    """Length, width, height (m) of a car, a van or, seldom, a lorry."""
    kind = rng.random()
    if kind < 0.7:
        return (4.6 + rng.normal(0, 0.2), 1.88 + rng.normal(0, 0.04), 1.5 + rng.normal(0, 0.05))
    if kind < 0.93:
        return (5.2 + rng.normal(0, 0.2), 2.0, 1.95 + rng.normal(0, 0.08))
    return (8.2, 2.4, 3.1)


def random_driver(
    rng: np.random.Generator, caps: tuple[tuple[float, float, float], ...] = ()
) -> Driver:
    """Somebody's way of driving."""
    return Driver(
        acceleration=float(rng.uniform(1.4, 2.0)),
        braking=float(rng.uniform(2.0, 2.6)),
        headway=float(rng.uniform(1.1, 1.6)),
        gap=float(rng.uniform(2.0, 3.0)),
        caps=caps,
    )


def random_look(rng: np.random.Generator) -> int:
    """A seed for colours and shape."""
    return int(rng.integers(1 << 30))
