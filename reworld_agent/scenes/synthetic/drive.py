"""One drive of ego through a town: chosen, simulated, checked; a log and its images show it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reworld_agent.scenes.synthetic.actors.actor import PROPS, ScenarioActors, Thing
from reworld_agent.scenes.synthetic.actors.traffic import STEP, Record
from reworld_agent.scenes.synthetic.town.geometry import Array
from reworld_agent.scenes.synthetic.town.network import Network
from reworld_agent.scenes.synthetic.town.scenery import build_scenery
from reworld_agent.scenes.synthetic.town.signals import Signals

FRAME = 0.5  # s between logged frames
STRIDE = round(FRAME / STEP)  # simulation steps per frame


@dataclass(frozen=True)
class SplitPlan:
    """A split's town and how much is driven there."""

    name: str
    city: str
    seed: int
    logs: int
    frames: int  # per log

    @property
    def scenes(self) -> int:
        """Scenes (windows of 14 frames) at frame_interval 1."""
        return self.logs * (self.frames - 13)

    def log_name(self, index: int) -> str:
        """The name of a log, in nuPlan's manner."""
        day, hour = 1 + index // 24 % 28, index % 24
        month = 1 + index // (24 * 28)
        town = list(SPLITS).index(self.name) + 1
        return (
            f"2026.{month:02d}.{day:02d}.{hour:02d}.00.00_veh-{town:02d}"
            f"_00000_{self.frames * 10:05d}"
        )


SPLITS = {
    plan.name: plan
    for plan in (
        SplitPlan("town_train", "us-ma-boston", 101, 200, 38),
        SplitPlan("town_val", "us-pa-pittsburgh-hazelwood", 202, 8, 38),
        SplitPlan("town_test", "us-nv-las-vegas-strip", 305, 14, 36),
    )
}


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
        scenery = build_scenery(self.net.city)
        things: list[Thing] = [("vehicle", *car) for car in scenery.parked]
        things += [(kind, x, y, angle, *PROPS[kind]) for kind, x, y, angle in self.scenario.props]
        things += [("generic_object", *place, *PROPS["generic_object"]) for place in scenery.bins]
        return things

    @property
    def name(self) -> str:
        """The log's name."""
        return self.plan.log_name(self.index)

    def token(self, *parts: object) -> str:
        """A token of 16 hexadecimal digits for something of this drive."""
        text = "/".join(str(part) for part in (self.plan.name, self.index, *parts))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def ego_pose(self, step: int) -> Array:
        """x, y, heading of ego's rear axle [3] in the town's frame."""
        xy, heading, _ = self.scenario.actors[0].path.at(float(self.record.s[step, 0]))
        return np.array([*xy, float(heading)])
