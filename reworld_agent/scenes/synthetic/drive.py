"""One drive of ego through a town: chosen, simulated, checked; a log and its images show it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from reworld_agent.errors import SceneError
from reworld_agent.scenes.synthetic import geometry as geo
from reworld_agent.scenes.synthetic.cast import Cast
from reworld_agent.scenes.synthetic.casting import EGO_CENTER, THEMES, choose_cast
from reworld_agent.scenes.synthetic.geometry import Array
from reworld_agent.scenes.synthetic.network import Network, build_network
from reworld_agent.scenes.synthetic.scenery import build_scenery
from reworld_agent.scenes.synthetic.signals import Signals
from reworld_agent.scenes.synthetic.traffic import STEP, Record, Traffic

FRAME = 0.5  # s between logged frames
STRIDE = round(FRAME / STEP)  # simulation steps per frame
ATTEMPTS = 400  # most only find that a random route does not suit
LEAST_WAY = 35.0  # m that ego must cover
PERSON = (0.7, 0.7, 1.75)  # length, width, height (m)
PROPS = {
    "traffic_cone": (0.4, 0.4, 0.75),
    "barrier": (2.0, 0.5, 1.05),
    "czone_sign": (0.5, 0.9, 1.7),
    "generic_object": (0.7, 0.7, 1.1),
}
Steps = NDArray[np.int_]
Thing = tuple[str, float, float, float, float, float, float]  # kind x y heading l w h
MARGIN = 0.35  # m around ego that nobody may enter


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
        SplitPlan("town_test", "us-nv-las-vegas-strip", 303, 14, 36),
    )
}


@dataclass
class Drive:
    """Everything that happened on one drive."""

    plan: SplitPlan
    index: int
    net: Network
    signals: Signals
    cast: Cast
    record: Record  # at STEP
    boxes: Array  # [T, N, 5] x y length width heading of all actors' boxes (ego first)

    @cached_property
    def fixed(self) -> list[Thing]:
        """All that stands during the drive and is annotated."""
        scenery = build_scenery(self.net.city)
        things: list[Thing] = [("vehicle", *car) for car in scenery.parked]
        things += [(kind, x, y, angle, *PROPS[kind]) for kind, x, y, angle in self.cast.props]
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
        xy, heading, _ = self.cast.actors[0].path.at(float(self.record.s[step, 0]))
        return np.array([*xy, float(heading)])


@lru_cache(maxsize=2)
def make_drive(split: str, index: int) -> Drive:
    """The drive number `index` of a split; the same arguments give the same drive.

    Raises:
        SceneError: no attempt gave a drive without faults (the seeds shipped never do this).
    """
    plan = SPLITS[split]
    net = build_network(plan.city)
    theme = THEMES[index % len(THEMES)]
    seconds = (plan.frames - 1) * FRAME
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([plan.seed, index, attempt])
        signals = Signals.random(net, rng)
        cast = choose_cast(net, signals, theme, seconds, rng)
        if cast is None:
            continue
        record = Traffic(net, signals, cast.actors, cast.walkers).run(seconds)
        drive = Drive(plan, index, net, signals, cast, record, _boxes(cast, record))
        if not _fault(drive):
            return drive
    raise SceneError(
        f"{split}: no usable drive number {index} in {ATTEMPTS} attempts",
        "report this with the version of numpy",
    )


def _boxes(cast: Cast, record: Record) -> Array:
    boxes = np.zeros((*record.s.shape, 5))
    for k, actor in enumerate(cast.actors):
        xy, heading, _ = actor.path.at(record.s[:, k])
        forward = np.stack([np.cos(heading), np.sin(heading)], -1)
        boxes[:, k, :2] = xy + actor.center_ahead * forward
        boxes[:, k, 2:4] = actor.size[:2]
        boxes[:, k, 4] = heading
    return boxes


def _fault(drive: Drive) -> str:
    """Why the drive must not be used, or an empty string."""
    s = drive.record.s
    if s[-1, 0] - s[0, 0] < LEAST_WAY:
        return "ego hardly moves"
    if s[-1, 0] + 100.0 > drive.cast.actors[0].path.length:
        return "the route ends too early"
    if drive.record.a[:, 0].min() < -3.8:
        return "ego brakes hard"
    if drive.cast.theme == "cut_in" and not _cuts_in(drive):
        return "nobody cuts in"
    if _touched(drive, 0, MARGIN):
        return "somebody comes too near to ego"
    if any(_touched(drive, k, 0.0) for k in range(1, len(drive.cast.actors))):
        return "others touch"
    return "near miss" if _near_miss(drive) else ""


def _cuts_in(drive: Drive) -> bool:
    """Whether the first actor after ego comes from aside into ego's lane, near before ego."""
    ego, other = drive.boxes[:, 0], drive.boxes[:, 1]
    delta = other[:, :2] - ego[:, :2]
    cos, sin = np.cos(ego[:, 4]), np.sin(ego[:, 4])
    ahead, aside = cos * delta[:, 0] + sin * delta[:, 1], cos * delta[:, 1] - sin * delta[:, 0]
    near = (ahead > 5.0) & (ahead < 22.0)
    return bool((near & (np.abs(aside) < 1.0)).sum() > 8 and abs(aside[0]) > 2.0)


def _obstacles(drive: Drive, steps: Steps) -> Array:
    """Boxes [T, K, 5] of people on foot and of things that stand."""
    people = drive.record.walkers[steps]
    size = np.broadcast_to(PERSON[:2], (*people.shape[:2], 2))
    walkers = np.concatenate([people[..., :2], size, people[..., 2:3]], -1)
    fixed = np.array([(x, y, *size[:2], heading) for _, x, y, heading, *size in drive.fixed])
    fixed = np.broadcast_to(fixed.reshape(-1, 5), (len(steps), len(drive.fixed), 5))
    return np.concatenate([walkers, fixed], axis=1)


def _touched(drive: Drive, k: int, margin: float) -> bool:
    steps = np.arange(0, len(drive.boxes), 2)
    own = drive.boxes[steps, k][:, None] + np.array([0, 0, 2 * margin, 2 * margin, 0])
    others = np.concatenate([drive.boxes[steps][:, k + 1 :], _obstacles(drive, steps)], axis=1)
    near = np.hypot(*(others - own)[..., :2].transpose(2, 0, 1)) < 12.0
    if not near.any():
        return False
    t, j = np.nonzero(near)
    return bool(geo.boxes_overlap(own[t, 0], others[t, j]).any())


def _near_miss(drive: Drive) -> bool:
    """Whether ego, going on as it is, would within 0.9 s be where somebody then is ahead."""
    record, total = drive.record, len(drive.boxes)
    steps = np.arange(0, total - 8, 2)
    bend = np.abs(drive.cast.actors[0].path.at(record.s[steps, 0])[2])
    # a scorer's tracker starts every scene with straight wheels and leaves a bend by up to 1 m
    spare = 0.3 + np.minimum(30.0 * bend, 1.6)
    for later in (0.3, 0.6, 0.95):
        then = np.minimum(steps + round(later / STEP), total - 1)
        own = drive.boxes[steps, 0].copy()
        shift = record.v[steps, 0] * later
        own[:, 0] += shift * np.cos(own[:, 4])
        own[:, 1] += shift * np.sin(own[:, 4])
        own[:, 2] += 0.3
        own[:, 3] += spare
        others = np.concatenate([drive.boxes[then][:, 1:], _obstacles(drive, then)], axis=1)
        near = np.hypot(*(others - own[:, None])[..., :2].transpose(2, 0, 1)) < 12.0
        near &= (record.v[steps, 0] > 0.1)[:, None] & ~_behind(drive, steps, others)
        t, j = np.nonzero(near)
        if len(t) and geo.boxes_overlap(own[t], others[t, j]).any():
            return True
    return False


def _behind(drive: Drive, steps: Steps, others: Array) -> NDArray[np.bool_]:
    rear = drive.boxes[steps, 0]
    axle = rear[:, :2] - EGO_CENTER * np.stack([np.cos(rear[:, 4]), np.sin(rear[:, 4])], -1)
    delta = others[..., :2] - axle[:, None]
    bearing = np.arctan2(delta[..., 1], delta[..., 0]) - rear[:, None, 4]
    return np.abs((bearing + np.pi) % (2 * np.pi) - np.pi) > np.deg2rad(100.0)
