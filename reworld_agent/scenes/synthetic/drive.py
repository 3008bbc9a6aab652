"""One drive of ego through a town: chosen, simulated, checked; a log and its images show it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.actors.actor import PROPS, ScenarioActors, Thing
from reworld_agent.scenes.synthetic.actors.casts import CAST5, CAST6, Cast
from reworld_agent.scenes.synthetic.actors.traffic import STEP, Record
from reworld_agent.scenes.synthetic.town.geometry import Array
from reworld_agent.scenes.synthetic.town.network import Network
from reworld_agent.scenes.synthetic.town.plans import TOWNS, TOWNS6, TownPlan
from reworld_agent.scenes.synthetic.town.scenery import build_scenery
from reworld_agent.scenes.synthetic.town.signals import Signals

FRAME = 0.5  # s between logged frames
STRIDE = round(FRAME / STEP)  # simulation steps per frame
BRAKING, STANDING = -0.35, 0.05  # m/s^2, m/s: brake lights are on below either


@dataclass(frozen=True)
class SplitPlan:
    """A split's towns and how much is driven there."""

    name: str
    towns: tuple[str, ...]  # keys of `TOWNS`, driven in turn
    seed: int
    logs: int  # in all towns together; more are made on demand
    frames: int  # per log
    version: str = "5"  # of the town: new whenever the same seed gives other bytes
    cast: Cast = CAST5

    @property
    def scenes(self) -> int:
        """Scenes (windows of 14 frames) at frame_interval 1."""
        return self.logs * (self.frames - 13)

    def town(self, index: int) -> TownPlan:
        """The town of a drive."""
        return TOWNS[self.towns[index % len(self.towns)]]

    def theme(self, index: int, attempt: int) -> str:
        """What a drive is about: each town has all themes in turn."""
        turn = index // len(self.towns)
        turn += attempt // self.cast.attempts if self.cast.attempts else 0
        return self.cast.themes[turn % len(self.cast.themes)]

    def log_name(self, index: int) -> str:
        """The name of a log, in nuPlan's manner."""
        day, hour = 1 + index // 24 % 28, index % 24
        month = 1 + index // (24 * 28)
        split = list(SPLITS).index(self.name) + 1
        return (
            f"2026.{month:02d}.{day:02d}.{hour:02d}.00.00_veh-{split:02d}"
            f"_00000_{self.frames * 10:05d}"
        )


def _of_six(kind: str) -> tuple[str, ...]:
    return tuple(name for name in TOWNS6 if name.startswith(f"{kind}-"))


SPLITS = {
    plan.name: plan
    for plan in (
        SplitPlan("town_train", ("us-ma-boston",), 101, 200, 38),
        SplitPlan("town_val", ("us-pa-pittsburgh-hazelwood",), 202, 8, 38),
        SplitPlan("town_test", ("us-nv-las-vegas-strip",), 305, 14, 36),
        SplitPlan("town6_train", _of_six("train"), 601, 600, 38, "6", CAST6),
        SplitPlan("town6_val", _of_six("val"), 602, 32, 38, "6", CAST6),
        SplitPlan("town6_test", _of_six("test"), 603, 64, 38, "6", CAST6),
        SplitPlan("town6_evidence", _of_six("evidence"), 604, 240, 38, "6", CAST6),
        # the test towns again, on three times as many drives: means are surer so
        SplitPlan("town6_test_wide", _of_six("test"), 605, 192, 38, "6", CAST6),
    )
}


@dataclass(frozen=True)
class Moment:
    """Where everybody is at one time: all that a picture of a drive depends on."""

    time: float  # s
    ego: Array  # [3] x, y, heading of the rear axle, in the town's frame
    boxes: Array  # [N, 5] x, y, length, width, heading of all actors' boxes (ego first)
    speed: Array  # [N] m/s
    braking: NDArray[np.bool_]  # [N]
    walkers: Array  # [K, 4] x, y, heading, speed


def shows_brakes(speed: Array, acceleration: Array) -> NDArray[np.bool_]:
    """Whose brake lights are on [N], from speeds (m/s) and accelerations (m/s^2)."""
    return (acceleration < BRAKING) | (speed < STANDING)


@dataclass
class Drive:
    """Everything that happened on one drive."""

    plan: SplitPlan
    index: int
    net: Network
    signals: Signals
    scenario: ScenarioActors
    record: Record  # at STEP
    boxes: Array  # [T, N, 5] x y length width heading of all actors' boxes (ego first)

    @cached_property
    def fixed(self) -> list[Thing]:
        """All that stands during the drive and is annotated."""
        scenery = build_scenery(self.net.plan.key)
        things: list[Thing] = [("vehicle", *car) for car in scenery.parked]
        things += [(kind, x, y, angle, *PROPS[kind]) for kind, x, y, angle in self.scenario.props]
        things += [("generic_object", *place, *PROPS["generic_object"]) for place in scenery.bins]
        things += self.scenario.standing
        return things

    @property
    def name(self) -> str:
        """The log's name."""
        return self.plan.log_name(self.index)

    def token(self, *parts: object) -> str:
        """A token of 16 hexadecimal digits for something of this drive."""
        text = "/".join(str(part) for part in (self.plan.name, self.index, *parts))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def moment(self, step: int) -> Moment:
        """The drive at a simulation step."""
        record, speed = self.record, self.record.v[step]
        braking = shows_brakes(speed, record.a[step])
        ego, boxes = self.ego_pose(step), self.boxes[step]
        return Moment(step * STEP, ego, boxes, speed, braking, record.walkers[step])

    def ego_pose(self, step: int) -> Array:
        """x, y, heading of ego's rear axle [3] in the town's frame."""
        xy, heading, _ = self.scenario.actors[0].path.at(float(self.record.s[step, 0]))
        return np.array([*xy, float(heading)])
