"""Everybody drives: car following, lights, right of way and people on crosswalks, at 8 Hz.

Vehicles follow fixed paths; their speed is that of the Intelligent Driver Model (Treiber et al.,
Phys. Rev. E 62, 2000): a = a_max (1 - (v/v0)^10 - (s*/gap)^2) with
s* = s0 + v T + v dv / (2 sqrt(a b)).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from reworld_agent.scenes.synthetic.actors.following import (
    LOOK_AHEAD,
    NOBODY,
    find_leaders,
    make_discs,
    units,
)
from reworld_agent.scenes.synthetic.actors.right_of_way import Request, RightOfWay
from reworld_agent.scenes.synthetic.actors.walkers import Walker
from reworld_agent.scenes.synthetic.town.geometry import Array
from reworld_agent.scenes.synthetic.town.network import Network
from reworld_agent.scenes.synthetic.town.routes import Gate, Path
from reworld_agent.scenes.synthetic.town.signals import GREEN, RED, Signals

STEP = 0.125  # s, 8 Hz
WARM_UP = -4.0  # s, when the simulation begins: at 0 everybody has settled
EXPONENT = 10  # of the free-road term
HARDEST = 6.0  # m/s^2, emergency braking
JERK = 5.0  # m/s^3, of ordinary driving
BRAKE_FOR_YELLOW = 2.8  # m/s^2: whoever would need more drives on
REACH = 28.0  # m before an unsignalled junction, where one asks for the right of way
EGO_REACH = 20.0  # m that ego asks earlier
EGO_SEARCH = 30  # m of its path before and behind where a free ego is looked for


@dataclass
class Driver:
    """How somebody drives."""

    acceleration: float = 1.6  # m/s^2
    braking: float = 2.2
    headway: float = 1.4  # s
    gap: float = 2.2  # m at standstill
    caps: tuple[tuple[float, float, float], ...] = ()  # (from s, to s, at most m/s)
    insists: bool = False  # on the right of way before ego


@dataclass
class Actor:
    """Somebody on a path; the path is that of the reference point (centre; ego: rear axle)."""

    kind: str  # vehicle, bicycle, ego
    size: tuple[float, float, float]  # length, width, height (m)
    path: Path
    s: float
    v: float
    driver: Driver = field(default_factory=Driver)
    center_ahead: float = 0.0  # m from the reference point to the centre of the box
    look: int = 0  # colour and shape seed

    @property
    def front(self) -> float:
        """Reference point to front bumper (m)."""
        return self.center_ahead + self.size[0] / 2


@dataclass
class Record:
    """What happened: [T, ...] at STEP; row 0 is the time 0."""

    s: Array  # [T, N] along the paths
    v: Array
    a: Array
    walkers: Array  # [T, K, 4]: x, y, heading, speed


class Traffic:
    """One simulation.

    Args:
        actors: all on wheels; ego is the first.
    """

    def __init__(
        self, net: Network, signals: Signals, actors: list[Actor], walkers: list[Walker]
    ) -> None:
        self.net, self.signals, self.actors, self.walkers = net, signals, actors, walkers
        longest = max(len(a.path.xy) for a in actors)
        self.xy = np.stack([_pad(a.path.xy, longest) for a in actors])
        self.heading = np.stack([_pad(a.path.heading, longest) for a in actors])
        self.limit = np.stack([_pad(a.path.speed, longest) for a in actors])
        self.s = np.array([a.s for a in actors])
        self.v = np.array([a.v for a in actors])
        self.a = np.zeros(len(actors))
        self.end = np.array([a.path.length for a in actors])
        self.front = np.array([a.front for a in actors])
        self.half_width = np.array([a.size[1] / 2 for a in actors])
        reach = np.array([a.size[0] / 2 - a.size[1] / 2 for a in actors])
        self.discs = np.array([a.center_ahead for a in actors])[:, None] + reach[:, None] * [
            -1,
            0,
            1,
        ]
        self.traits = np.array(
            [
                [a.driver.acceleration, a.driver.braking, a.driver.headway, a.driver.gap]
                for a in actors
            ]
        ).T
        self.gate = [0] * len(actors)
        self.right_of_way = RightOfWay(net)
        self.granted: set[int] = set()
        self.free_ego: Array | None = None  # pose [3]; None while ego keeps to its path
        self.started = [w.start if w.wait_for_ego is None else np.inf for w in walkers]

    def run(self, end: float) -> Record:
        """Simulate from WARM_UP on and record from 0 on, `end` (s) included."""
        rows = []
        for k in range(round(WARM_UP / STEP), round(end / STEP) + 1):
            people = self.decide(k * STEP)
            if k >= 0:
                rows.append((self.s.copy(), self.v.copy(), self.a.copy(), people))
            self.move()
        return Record(*(np.stack(column) for column in zip(*rows, strict=True)))

    def decide(self, time: float) -> Array:
        """Everybody's acceleration at `time` (s), into `a`; poses [K, 4] of the people on foot."""
        people = self._walk(time)
        self.a = self._accelerations(time, people)
        return people

    def move(self) -> None:
        """Go on by STEP with the accelerations decided on."""
        speed = np.maximum(self.v + self.a * STEP, 0.0)
        self.s = np.minimum(self.s + 0.5 * (self.v + speed) * STEP, self.end)
        self.v = np.where(self.s < self.end, speed, 0.0)

    def ahead(self, seconds: float) -> tuple[Array, Array]:
        """Where along their paths all are, and how fast, `seconds` (at most STEP) from now."""
        part = seconds / STEP
        speed = self.v + part * (np.maximum(self.v + self.a * STEP, 0.0) - self.v)
        s = np.minimum(self.s + 0.5 * (self.v + speed) * seconds, self.end)
        return s, np.where(s < self.end, speed, 0.0)

    def place_ego(self, pose: Array, speed: float) -> None:
        """Put ego where somebody else has driven it; the others see it there.

        Args:
            pose: [3] x, y (m), heading (rad) of the rear axle, in the town's frame.
            speed: m/s.
        """
        path, here = self.actors[0].path, int(self.s[0])
        first = max(here - EGO_SEARCH, 0)
        near = path.xy[first : here + EGO_SEARCH]
        k = first + int(np.hypot(*(near - pose[:2]).T).argmin())
        rest = (pose[:2] - path.xy[k]) @ units(path.heading[k])
        self.free_ego = np.asarray(pose, float)
        self.s[0], self.v[0] = np.clip(k + rest, 0.0, path.length), speed

    def _walk(self, time: float) -> Array:
        """Poses [K, 4] of the walkers now."""
        on_path = self._points(self.s[:1], slice(0, 1))[0]
        ego = on_path if self.free_ego is None else self.free_ego[:2]
        for k, walker in enumerate(self.walkers):
            if walker.wait_for_ego is not None and not np.isfinite(self.started[k]):
                near = np.hypot(*(walker.line[0] - ego)) < walker.wait_for_ego
                self.started[k] = time if near and time >= walker.start else np.inf
        return self.people(time)

    def people(self, time: float) -> Array:
        """Poses [K, 4] of the people on foot at a time (s), of those who have set off by now."""
        starts = zip(self.walkers, self.started, strict=True)
        poses = [walker.pose(time - started) for walker, started in starts]
        return np.array(poses).reshape(-1, 4)

    def _points(self, s: Array, rows: slice | Array) -> Array:
        """Points [..., 2] at s [n, ...] of the actors in `rows`."""
        xy = self.xy[rows]
        low = np.clip(s.astype(int), 0, xy.shape[1] - 2)
        part = (s - low)[..., None]
        index = np.arange(len(xy)).reshape(-1, *([1] * (s.ndim - 1)))
        return (1 - part) * xy[index, low] + part * xy[index, low + 1]

    def _accelerations(self, time: float, people: Array) -> Array:
        gap, speed = self._leaders(people)
        self.granted = self.right_of_way.grant(self._requests())
        for i in range(len(self.actors)):
            distance = self._wait_before(i, time)
            if distance < gap[i]:
                gap[i], speed[i] = distance, 0.0
        a_max, braking, headway, least = self.traits
        allowed = self.limit[np.arange(len(self.s)), self.s.astype(int)]
        allowed = np.maximum(np.minimum(allowed, self._caps(time)), 0.1)
        free = np.maximum(1.0 - (self.v / allowed) ** EXPONENT, -1.6)
        closing = self.v * (self.v - speed) / (2.0 * np.sqrt(a_max * braking))
        wanted = least + np.maximum(self.v * headway + closing, 0.0)
        wish = a_max * (free - (wanted / np.maximum(gap, 0.1)) ** 2)
        wish = np.clip(wish, -HARDEST, a_max)
        jerk = np.where(wish < -braking, 3 * JERK, JERK) * STEP
        return np.clip(wish, self.a - jerk, self.a + jerk)

    def _caps(self, time: float) -> Array:
        return np.array(
            [
                min((v for t0, t1, v in a.driver.caps if t0 <= time < t1), default=99.0)
                for a in self.actors
            ]
        )

    def _leaders(self, people: Array) -> tuple[Array, Array]:
        index = np.arange(len(self.s))
        ahead = self.s[:, None] + self.front[:, None] + LOOK_AHEAD
        low = np.clip(ahead.astype(int), 0, self.heading.shape[1] - 1)
        body = self.heading[index, self.s.astype(int)]
        center = self._points(self.s, slice(None))
        if self.free_ego is not None:
            center[0], body[0] = self.free_ego[:2], self.free_ego[2]
        discs = make_discs(center, body, self.v, self.half_width, self.discs, people)
        points = self._points(ahead, slice(None))
        return find_leaders(points, self.heading[index[:, None], low], self.half_width, discs)

    def _wait_before(self, i: int, time: float) -> float:
        """Distance (m) from the front bumper to the line where the actor must wait, or 200."""
        actor, s = self.actors[i], float(self.s[i])
        gates = actor.path.gates
        while self.gate[i] < len(gates) and s > gates[self.gate[i]].leave + 2.0:
            self.gate[i] += 1
        if self.gate[i] >= len(gates):
            return NOBODY
        gate = gates[self.gate[i]]
        rest = gate.stop - s - actor.front
        if rest < -1.5 or rest > 70.0:
            return NOBODY
        if self._may_pass(i, gate, max(rest, 0.1), time):
            return NOBODY
        return max(rest + actor.driver.gap - 0.6, 0.2)

    def _may_pass(self, i: int, gate: Gate, rest: float, time: float) -> bool:
        connector = gate.connector
        if connector.junction not in self.signals.offsets:
            return rest > REACH or i in self.granted
        light = self.signals.state(connector.junction, connector.source.block, time)
        if light == GREEN:
            return True
        can_stop = float(self.v[i]) ** 2 / (2.0 * rest) < BRAKE_FOR_YELLOW
        return light != RED and not can_stop

    def _requests(self) -> Iterator[Request]:
        """Everybody who asks for the right of way at a junction without lights."""
        for i, actor in enumerate(self.actors):
            if self.gate[i] >= len(actor.path.gates):
                continue
            gate = actor.path.gates[self.gate[i]]
            junction = gate.connector.junction
            rest = gate.stop - float(self.s[i]) - actor.front
            insists = actor.driver.insists
            reach = REACH + (EGO_REACH if i == 0 or insists else 0.0)
            if junction not in self.signals.offsets and rest < reach:
                inside = rest < -0.5 and i in self.granted
                yield Request(i, junction, gate.connector.fid, rest, inside, insists)


def _pad(values: Array, length: int) -> Array:
    return np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)])
