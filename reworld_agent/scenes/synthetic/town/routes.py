"""Ways through the network: a chain of lanes and connectors, and the path that a vehicle drives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.geometry import Array
from reworld_agent.scenes.synthetic.town.network import Connector, Lane, Network

SMOOTHING = 2.0  # m, Gaussian: nobody steers in steps of curvature
SIDE_LIMIT = 2.3  # m/s^2, sideways acceleration that drivers accept in bends
SLOW_DOWN = 2.3  # m/s^2, deceleration on the way to a bend


@dataclass(frozen=True)
class Gate:
    """A place on a path where right of way decides."""

    stop: float  # m along the path where the front bumper waits
    enter: float  # m, where the connector begins
    leave: float  # m, where it ends
    connector: Connector


@dataclass(frozen=True)
class Path:
    """A drivable line with a vertex at every metre."""

    xy: Array  # [M, 2]
    heading: Array  # [M], unwrapped
    curvature: Array  # [M], 1/m
    speed: Array  # [M], m/s that the limits and bends allow
    gates: tuple[Gate, ...]
    blocks: tuple[int, ...]  # roadblocks and roadblock connectors in driving order
    lanes: tuple[tuple[int, float, float], ...]  # lane or connector id, from and to (m)

    @property
    def length(self) -> float:
        """Metres that can be driven."""
        return float(len(self.xy) - 1)

    def at(self, s: Array | float) -> tuple[Array, Array, Array]:
        """Points [..., 2], headings and curvatures at distances s; clipped to the ends."""
        grid = np.arange(len(self.xy), dtype=float)
        x, y, heading, curvature = (
            np.interp(s, grid, values)
            for values in (self.xy[:, 0], self.xy[:, 1], self.heading, self.curvature)
        )
        return np.stack([x, y], -1), np.asarray(heading), np.asarray(curvature)


def random_chain(
    net: Network,
    lane: Lane,
    length: float,
    rng: np.random.Generator,
    weights: dict[str, float],
) -> list[Lane | Connector] | None:
    """Lanes and connectors from `lane` on, at least `length` metres, no roadblock twice.

    Args:
        weights: how much a kind of turn ("left", "straight", "right") is preferred.

    Returns:
        The chain, or None where it ran into itself.
    """
    chain: list[Lane | Connector] = [lane]
    seen = {lane.block}
    total = float(len(lane.center))
    segments = {net.blocks[lane.block].segment}
    while total < length:
        options = [
            c
            for c in net.outgoing.get(lane.fid, [])
            if c.target.block not in seen and net.blocks[c.target.block].segment not in segments
        ]
        chances = np.array([weights.get(c.kind, 0.0) for c in options])
        if not chances.sum() > 0.0:
            return None
        pick = options[int(rng.choice(len(options), p=chances / chances.sum()))]
        lane = pick.target
        chain += [pick, lane]
        seen.add(lane.block)
        segments.add(net.blocks[lane.block].segment)
        total += len(pick.center) + len(lane.center)
    return chain


def build_path(
    net: Network, chain: list[Lane | Connector], lateral: float = 0.0, top_speed: float = 99.0
) -> Path:
    """The path along a chain.

    Args:
        lateral: offset from the lanes' centres (m, left positive).
        top_speed: a limit of the driver's own (m/s).
    """
    pieces, limits, spans, gates = [], [], [], []
    begin = 0.0
    for element in chain:
        piece = geo.offset(element.center, lateral) if lateral else element.center
        length = float(geo.arc_length(piece)[-1])
        if isinstance(element, Connector):
            back = net.stop_lines[element.source.block].back
            gates.append(Gate(begin - back, begin, begin + length, element))
        pieces.append(piece)
        limits.append(np.full(len(piece), min(element.speed, top_speed)))
        spans.append((element.fid, begin, begin + length))
        begin += length
    joined = np.concatenate(pieces)
    keep = np.concatenate([[True], np.hypot(*np.diff(joined, axis=0).T) > 1e-6])
    joined, limit = joined[keep], np.concatenate(limits)[keep]
    s = geo.arc_length(joined)
    xy = geo.resample(geo.smooth(geo.resample(joined, exact=True), SMOOTHING), exact=True)
    allowed = np.interp(np.arange(len(xy)), s, limit)
    heading = geo.headings(xy)
    curvature = np.gradient(heading)
    return Path(
        xy,
        heading,
        curvature,
        speed_profile(allowed, curvature),
        tuple(gates),
        tuple(element.block for element in chain),
        tuple(spans),
    )


def speed_profile(limit: Array, curvature: Array) -> Array:
    """Speed [M] (m/s) below limit and bends, that a deceleration of SLOW_DOWN can keep to."""
    speed = np.minimum(limit, np.sqrt(SIDE_LIMIT / np.maximum(np.abs(curvature), 1e-3)))
    for i in range(len(speed) - 2, -1, -1):
        speed[i] = min(speed[i], np.sqrt(speed[i + 1] ** 2 + 2.0 * SLOW_DOWN))
    return speed


def change_lane(path: Path, other: Path, start: float, over: float) -> Path:
    """The path that leaves `path` for the parallel `other` between start and start + over (m).

    `other` must run along `path` with the same chain of junctions; gates and ids become its own.
    """
    index = np.arange(len(other.xy), dtype=float)
    nearest = _project(path, other)
    ramp = np.clip((index - start) / over, 0.0, 1.0)
    weight = (ramp**2 * (3.0 - 2.0 * ramp))[:, None]
    blend = (1.0 - weight) * nearest + weight * other.xy
    xy = geo.smooth(blend, SMOOTHING)
    heading = geo.headings(xy)
    return Path(
        xy, heading, np.gradient(heading), other.speed, other.gates, other.blocks, other.lanes
    )


def shift_path(path: Path, start: float, ramp: float, hold: float, aside: float) -> Path:
    """The path that swerves `aside` metres (left positive) at `start` and comes back.

    Args:
        ramp: metres of the swerve, and of the way back; hold: metres between them.
    """
    s = np.arange(len(path.xy), dtype=float)
    rise = np.clip((s - start) / ramp, 0.0, 1.0) - np.clip(
        (s - start - ramp - hold) / ramp, 0.0, 1.0
    )
    weight = rise**2 * (3.0 - 2.0 * rise)
    normal = np.stack([-np.sin(path.heading), np.cos(path.heading)], -1)
    xy = geo.smooth(path.xy + normal * (aside * weight)[:, None], SMOOTHING)
    xy = geo.resample(xy, exact=True)
    heading = geo.headings(xy)
    curvature = np.gradient(heading)
    allowed = np.interp(np.arange(len(xy)), s, path.speed)
    return replace(
        path, xy=xy, heading=heading, curvature=curvature, speed=speed_profile(allowed, curvature)
    )


def _project(path: Path, other: Path) -> Array:
    """For every vertex of `other` the nearest point of `path` [M, 2]."""
    distance = np.hypot(*(other.xy[:, None] - path.xy[None]).transpose(2, 0, 1))
    return path.xy[distance.argmin(axis=1)]
