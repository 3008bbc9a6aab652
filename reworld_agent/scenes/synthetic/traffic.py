"""Everybody drives: car following, lights, right of way and people on crosswalks, at 8 Hz.

Vehicles follow fixed paths; their speed is that of the Intelligent Driver Model (Treiber et al.,
Phys. Rev. E 62, 2000): a = a_max (1 - (v/v0)^10 - (s*/gap)^2) with
s* = s0 + v T + v dv / (2 sqrt(a b)).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reworld_agent.scenes.synthetic.geometry import Array
from reworld_agent.scenes.synthetic.network import Network
from reworld_agent.scenes.synthetic.routes import Gate, Path
from reworld_agent.scenes.synthetic.signals import GREEN, RED, Signals

STEP = 0.125  # s, 8 Hz
WARM_UP = -4.0  # s, when the simulation begins: at 0 everybody has settled
EXPONENT = 10  # of the free-road term
LOOK_AHEAD = np.arange(0.0, 55.0, 3.0)  # m before the front bumper
WALKERS_AHEAD = (0.0, 0.7, 1.4, 2.1)  # s
SIDE_GAP = 0.35  # m, beside one's own body that must be free
HARDEST = 6.0  # m/s^2, emergency braking
JERK = 5.0  # m/s^3, of ordinary driving
BRAKE_FOR_YELLOW = 2.8  # m/s^2: whoever would need more drives on
REACH = 28.0  # m before an unsignalled junction, where one asks for the right of way


@dataclass
class Driver:
    """How somebody drives."""

    acceleration: float = 1.6  # m/s^2
    braking: float = 2.2
    headway: float = 1.4  # s
    gap: float = 2.2  # m at standstill
    caps: tuple[tuple[float, float, float], ...] = ()  # (from s, to s, at most m/s)


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
class Walker:
    """Somebody on foot, on a straight or bent line at constant speed."""

    line: Array  # [M, 2]
    speed: float
    start: float  # s; before, the walker stands at the line's beginning
    look: int = 0
    loop: bool = False  # to and fro
    crosses: bool = False  # on a crosswalk: drivers give way
    wait_for_ego: float | None = None  # start when ego is this near the crosswalk (m)


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
        self.conflicts = _Conflicts(net)
        self.granted: set[int] = set()
        self.started = [w.start if w.wait_for_ego is None else np.inf for w in walkers]

    def run(self, end: float) -> Record:
        """Simulate from WARM_UP on and record from 0 on, `end` (s) included."""
        rows = []
        for k in range(round(WARM_UP / STEP), round(end / STEP) + 1):
            time = k * STEP
            people = self._walk(time)
            self.a = self._accelerations(time, people)
            if k >= 0:
                rows.append((self.s.copy(), self.v.copy(), self.a.copy(), people))
            speed = np.maximum(self.v + self.a * STEP, 0.0)
            self.s = np.minimum(self.s + 0.5 * (self.v + speed) * STEP, self.end)
            self.v = np.where(self.s < self.end, speed, 0.0)
        return Record(*(np.stack(column) for column in zip(*rows, strict=True)))

    # -- people -----------------------------------------------------------------------------
    def _walk(self, time: float) -> Array:
        """Poses [K, 4] of the walkers now."""
        poses = np.zeros((len(self.walkers), 4))
        ego = self._points(self.s[:1], slice(0, 1))[0]
        for k, walker in enumerate(self.walkers):
            if walker.wait_for_ego is not None and not np.isfinite(self.started[k]):
                near = np.hypot(*(walker.line[0] - ego)) < walker.wait_for_ego
                self.started[k] = time if near and time >= walker.start else np.inf
            poses[k] = _walker_pose(walker, time - self.started[k])
        return poses

    # -- wheels -----------------------------------------------------------------------------
    def _points(self, s: Array, rows: slice | Array) -> Array:
        """Points [..., 2] at s [n, ...] of the actors in `rows`."""
        xy = self.xy[rows]
        low = np.clip(s.astype(int), 0, xy.shape[1] - 2)
        part = (s - low)[..., None]
        index = np.arange(len(xy)).reshape(-1, *([1] * (s.ndim - 1)))
        return (1 - part) * xy[index, low] + part * xy[index, low + 1]

    def _accelerations(self, time: float, people: Array) -> Array:
        gap, speed = self._leaders(people)
        self._grant(time)
        for i in range(len(self.actors)):
            distance = self._wait_before(i, time, people)
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
        """Free distance [N] (m) before each front bumper, and the speed along the path of whoever
        ends it."""
        n = len(self.s)
        ahead = self.s[:, None] + self.front[:, None] + LOOK_AHEAD
        points = self._points(ahead, slice(None))  # [N, L, 2]
        low = np.clip(ahead.astype(int), 0, self.heading.shape[1] - 1)
        angle = self.heading[np.arange(n)[:, None], low]
        body = self.heading[np.arange(n), self.s.astype(int)]
        center = self._points(self.s, slice(None))
        direction = np.stack([np.cos(body), np.sin(body)], -1)
        discs = center[:, None] + self.discs[..., None] * direction[:, None]  # [N, 3, 2]
        strides = people[:, 3:] * _units(people[:, 2])  # people count where they soon will be, too
        soon = [people[:, :2] + ahead * strides for ahead in WALKERS_AHEAD]
        others = np.concatenate([discs.reshape(-1, 2), *soon])
        on_foot = len(people) * len(soon)
        radius = np.concatenate([np.repeat(self.half_width, 3), np.full(on_foot, 0.35)])
        owner = np.concatenate([np.repeat(np.arange(n), 3), np.full(on_foot, -1)])
        moving = np.repeat(self.v[:, None] * direction, 3, 0)
        moving = np.concatenate([moving, np.zeros((on_foot, 2))])
        offset = others[None, :, None] - points[:, None]  # [N, C, L, 2]
        nearest = (offset**2).sum(-1).argmin(-1)  # [N, C]
        delta = np.take_along_axis(offset, nearest[..., None, None], 2)[:, :, 0]
        tangent = _units(np.take_along_axis(angle, nearest, 1))
        along = (delta * tangent).sum(-1)
        across = np.abs(delta[..., 1] * tangent[..., 0] - delta[..., 0] * tangent[..., 1])
        distance = LOOK_AHEAD[nearest] + along - radius
        clear = self.half_width[:, None] + radius + SIDE_GAP
        blocks = (across < clear) & (distance + radius > -0.5) & (owner != np.arange(n)[:, None])
        blocks &= np.abs(along) < 4.0
        distance = np.where(blocks, distance, 200.0)
        first = distance.argmin(1)
        index = np.arange(n)
        speed = (moving[first] * tangent[index, first]).sum(-1)
        return distance[index, first], np.maximum(speed, 0.0)

    def _wait_before(self, i: int, time: float, people: Array) -> float:
        """Distance (m) from the front bumper to the line where the actor must wait, or 200."""
        actor, s = self.actors[i], float(self.s[i])
        gates = actor.path.gates
        while self.gate[i] < len(gates) and s > gates[self.gate[i]].leave + 2.0:
            self.gate[i] += 1
        if self.gate[i] >= len(gates):
            return 200.0
        gate = gates[self.gate[i]]
        rest = gate.stop - s - actor.front
        if rest < -1.5 or rest > 70.0:
            return 200.0
        if self._may_pass(i, gate, max(rest, 0.1), time):
            return 200.0
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

    def _grant(self, time: float) -> None:
        """Right of way at junctions without lights: who is inside, then ego, then the nearest."""
        asking: dict[int, list[tuple[float, int, Gate]]] = {}
        for i, actor in enumerate(self.actors):
            if self.gate[i] >= len(actor.path.gates):
                continue
            gate = actor.path.gates[self.gate[i]]
            if gate.connector.junction in self.signals.offsets:
                continue
            rest = gate.stop - float(self.s[i]) - actor.front
            if rest < REACH + (20.0 if i == 0 else 0.0):
                inside = rest < -0.5 and i in self.granted
                rank = -100.0 if inside else (-50.0 if i == 0 else rest)
                asking.setdefault(gate.connector.junction, []).append((rank, i, gate))
        granted: set[int] = set()
        for waiting in asking.values():
            chosen: list[int] = []
            for _, i, gate in sorted(waiting, key=lambda item: (item[0], item[1])):
                if not any(self.conflicts(gate.connector.fid, fid) for fid in chosen):
                    granted.add(i)
                    chosen.append(gate.connector.fid)
        self.granted = granted


class _Conflicts:
    """Whether two connectors cross or merge (cached)."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.known: dict[tuple[int, int], bool] = {}

    def __call__(self, first: int, second: int) -> bool:
        key = (min(first, second), max(first, second))
        if key not in self.known:
            a, b = self.net.connectors[first], self.net.connectors[second]
            same = a.source.fid == b.source.fid
            self.known[key] = not same and a.polygon.intersection(b.polygon).area > 0.5
        return self.known[key]


def _pad(values: Array, length: int) -> Array:
    return np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)])


def _units(angles: Array) -> Array:
    return np.stack([np.cos(angles), np.sin(angles)], -1)


def _walker_pose(walker: Walker, elapsed: float) -> Array:
    """x, y, heading, speed after `elapsed` seconds of walking (-inf, negative: not yet)."""
    steps = np.hypot(*np.diff(walker.line, axis=0).T)
    s = np.concatenate([[0.0], np.cumsum(steps)])
    done = walker.speed * max(elapsed, 0.0) if np.isfinite(elapsed) else 0.0
    back = False
    if walker.loop:
        back = (done // s[-1]) % 2 == 1
        done = s[-1] - done % s[-1] if back else done % s[-1]
    moving = np.isfinite(elapsed) and elapsed >= 0.0 and (walker.loop or done < s[-1])
    done = min(done, s[-1])
    k = min(int(np.searchsorted(s, done, side="right")) - 1, len(steps) - 1)
    delta = walker.line[k + 1] - walker.line[k]
    x, y = walker.line[k] + delta * (done - s[k]) / steps[k]
    heading = np.arctan2(delta[1], delta[0]) + (np.pi if back else 0.0)
    return np.array([x, y, heading, walker.speed if moving else 0.0])
