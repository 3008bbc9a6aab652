"""What surrounds a failure: the object that was hit, the bend, the junction, the traffic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reworld_agent.analysis.explanation.counterfactuals import distances
from reworld_agent.pdm.scene_cache import INTERSECTION, N_AGENT_TYPES, TRACK_TYPES, SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, VX, X, Y
from reworld_agent.pdm.simulate.sampling import knot_times_us, reference_poses, sample_times_us
from reworld_agent.pdm.simulate.tracker import simulate
from reworld_agent.pdm.world.geometry import REAR_AXLE_TO_CENTER

Array = NDArray[np.float64]

COMMANDS = ("left", "straight", "right", "unknown")
_NEAR_M = 40.0
_VELOCITY_STEPS = 3  # each side of the instant
_STANDS_M = 1.0  # an object that moves less in the whole scene stands
_WINDOW = 10  # steps before the current one that DDC looks back
_BEND_M = 10.0  # past the place up to which a bend is looked for


@dataclass(frozen=True)
class Encounter:
    """The object of a failure, seen from the simulated ego at that instant.

    Attributes:
        kind: one of `TRACK_TYPES`.
        ahead_m, left_m: its centre from the ego's centre.
        turned_rad: its heading minus the ego's, 0 … π.
        speed_mps: its speed.
        closing_mps: how fast the distance of the centres shrinks.
        stands: it moves less than 1 m in the whole scene.
        beside_route_m: how far its centre lies from the route's centreline.
    """

    kind: str
    ahead_m: float
    left_m: float
    turned_rad: float
    speed_mps: float
    closing_mps: float
    stands: bool
    beside_route_m: float


def drive(cache: SceneCache, poses: Array) -> Array:
    """Simulated states [41, 11] (global; layout: `pdm.bicycle`) of poses [8 or 40, 3]."""
    ego = np.array(cache.ego_state)
    knots, samples = knot_times_us(cache.time_us, len(poses)), sample_times_us(cache.time_us)
    reference = reference_poses(ego, np.ascontiguousarray(poses[None]), knots, samples)
    states: Array = simulate(ego, reference)[0]
    return states


def encounter(cache: SceneCache, states: Array, track: int, time_s: float) -> Encounter:
    """The ego's relation to a track at `time_s`."""
    step = round(time_s * 10)
    ego, pose = states[step], cache.track_pose[step, track]
    if not np.isfinite(pose).all():  # a threat that is met later than it is noticed
        there = np.flatnonzero(np.isfinite(cache.track_pose[:, track, 0]))
        pose = cache.track_pose[there[np.argmin(np.abs(there - step))], track]
    cos, sin = np.cos(ego[HEADING]), np.sin(ego[HEADING])
    centre = ego[[X, Y]] + REAR_AXLE_TO_CENTER * np.array([cos, sin])
    apart = pose[:2] - centre
    velocity = _velocity(cache, track, step)
    gap = max(float(np.hypot(*apart)), 1e-6)
    relative = ego[VX] * np.array([cos, sin]) - velocity
    path = cache.track_pose[np.isfinite(cache.track_pose[:, track, 0]), track, :2]
    return Encounter(
        kind=TRACK_TYPES[cache.track_type[track]],
        ahead_m=float(apart @ [cos, sin]),
        left_m=float(apart @ [-sin, cos]),
        turned_rad=abs(float(np.angle(np.exp(1j * (pose[2] - ego[HEADING]))))),
        speed_mps=float(np.hypot(*velocity)),
        closing_mps=float(relative @ apart) / gap,
        stands=bool(np.hypot(*np.ptp(path, axis=0)) < _STANDS_M),
        beside_route_m=abs(route_offset(cache, pose[:2])),
    )


def _velocity(cache: SceneCache, track: int, step: int) -> Array:
    """Velocity [2] of a track around a step, global; the logged one where it is seen once."""
    steps = np.arange(max(step - _VELOCITY_STEPS, 0), step + _VELOCITY_STEPS + 1)
    steps = steps[steps < len(cache.track_pose)]
    steps = steps[np.isfinite(cache.track_pose[steps, track, 0])]
    if len(steps) < 2:
        heading = cache.track_heading[track]
        logged: Array = cache.track_speed[track] * np.array([np.cos(heading), np.sin(heading)])
        return logged
    first, last = steps[0], steps[-1]
    moved = cache.track_pose[last, track, :2] - cache.track_pose[first, track, :2]
    velocity: Array = moved / (0.1 * (last - first))
    return velocity


def in_junction(cache: SceneCache, point: Array) -> bool:
    """Whether a global point [2] lies in an intersection of the map (even-odd rule)."""
    return bool(inside(cache, cache.polygon_kind == INTERSECTION, point[None])[0])


def inside(cache: SceneCache, chosen: NDArray[np.bool_], points: Array) -> NDArray[np.bool_]:
    """Which global points [n, 2] lie in any of the chosen [P] polygons of the map."""
    found = np.zeros(len(points), np.bool_)
    for polygon in np.flatnonzero(chosen):
        first, last = cache.polygon_ring_start[polygon : polygon + 2]
        crossings = np.zeros(len(points), np.int64)
        for ring in range(first, last):
            corners = cache.ring_xy[cache.ring_start[ring] : cache.ring_start[ring + 1]]
            crossings += _crossings(corners, points)
        found |= crossings % 2 == 1
    return found


def _crossings(ring: Array, points: Array) -> NDArray[np.int64]:
    """Edges of a ring [v, 2] that a ray from each point [n, 2] along +x crosses, [n]."""
    start, end = ring, np.roll(ring, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    spans = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(start[:, 1] == end[:, 1], 1.0, end[:, 1] - start[:, 1])
    share = (y - start[:, 1]) / rise
    right = start[:, 0] + share * (end[:, 0] - start[:, 0]) > x
    crossings: NDArray[np.int64] = (spans & right).sum(axis=1)
    return crossings


def off_route(cache: SceneCache, states: Array) -> Array:
    """Metres [41] that the ego's centre has driven within the second up to each step while off
    the route's lanes and off intersections: what DDC of EPDMS counts."""
    ahead = np.stack([np.cos(states[:, HEADING]), np.sin(states[:, HEADING])], axis=1)
    centres = states[:, [X, Y]] + REAR_AXLE_TO_CENTER * ahead
    allowed = (cache.polygon_kind == INTERSECTION) | cache.polygon_on_route
    wrong = ~inside(cache, allowed, centres)
    steps = np.concatenate([[0.0], np.hypot(*np.diff(centres, axis=0).T)]) * wrong
    total = np.concatenate([np.zeros(_WINDOW + 1), steps.cumsum()])
    driven: Array = (total[_WINDOW + 1 :] - total[: -_WINDOW - 1]) * wrong
    return driven


def route_turn(cache: SceneCache, start: Array, end: Array) -> float:
    """How much [rad] the route's centreline turns from one global point to 10 m past another."""
    line = cache.centerline
    arc = np.concatenate([[0.0], np.hypot(*np.diff(line[:, :2], axis=0).T).cumsum()])
    first, last = (arc[np.argmin(np.hypot(*(line[:, :2] - point).T))] for point in (start, end))
    between = (arc >= min(first, last)) & (arc <= max(first, last) + _BEND_M)
    return float(np.ptp(np.unwrap(line[between, 2])))


def route_offset(cache: SceneCache, point: Array) -> float:
    """Distance [m] of a global point left of the route's centreline."""
    nearest = cache.centerline[np.argmin(np.hypot(*(cache.centerline[:, :2] - point).T))]
    apart = point - nearest[:2]
    return float(apart[1] * np.cos(nearest[2]) - apart[0] * np.sin(nearest[2]))


def gap_ahead(cache: SceneCache, states: Array) -> float:
    """Distance [m] from the ego at 4 s to the next thing within its width; inf where free."""
    ego, poses = states[-1], cache.track_pose[len(states) - 1]
    apart = poses[:, :2] - ego[[X, Y]]
    cos, sin = np.cos(ego[HEADING]), np.sin(ego[HEADING])
    ahead, left = apart @ [cos, sin], apart @ [-sin, cos]
    blocking = ahead[(ahead > 0.0) & (np.abs(left) < 1.75)]
    return float(blocking.min()) if len(blocking) else np.inf


def traits(cache: SceneCache, plan: Array) -> dict[str, object]:
    """What failures are counted by: command, speed, curvature, density, city.

    The curvature is the human's path's, the plan's [41, 3] where the log has no future.
    """
    ego = cache.ego_state
    human = cache.human_poses
    path = np.concatenate([np.zeros((1, 3)), human]) if np.isfinite(human).all() else plan
    length = distances(path)[-1]
    turn = np.abs(np.diff(np.unwrap(path[:, 2]))).sum()
    curvature = float(turn / length) if length > 2.0 else 0.0
    agents = cache.track_type < N_AGENT_TYPES
    apart = np.hypot(*(cache.track_pose[0, agents, :2] - ego[:2]).T)
    speed, near = float(np.hypot(ego[3], ego[4])), int((apart < _NEAR_M).sum())
    return {
        "command": COMMANDS[cache.driving_command],
        "speed_mps": speed,
        "speed": _bin(speed, (1.0, 5.0, 10.0, 15.0), "m/s"),
        "curvature_1pm": curvature,
        "curvature": _bin(curvature, (0.005, 0.02, 0.06), "1/m"),
        "objects_near": near,
        "density": _bin(near, (5, 10, 20, 40), "objects"),
        "city": cache.map_name,
    }


def _bin(value: float, edges: tuple[float, ...], unit: str) -> str:
    """Name of the bin that holds a value; names sort by size."""
    place = int(np.searchsorted(edges, value, side="right"))
    bounds = (0.0, *edges)
    if place == len(edges):
        return f"≥ {edges[-1]:g} {unit}"
    return f"{bounds[place]:g}-{bounds[place + 1]:g} {unit}"
