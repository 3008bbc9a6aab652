"""Reactive traffic: vehicles follow their rails by the Intelligent Driver Model (IDM).

Treiber, Hennecke, Helbing: Congested traffic states in empirical observations and microscopic
simulations, Phys. Rev. E 62, 1805 (2000), eq. 3: v' = a (1 − (v / v0)⁴ − (s* / s)²) with
s* = s0 + v T + v Δv / (2 √(a b)), at 10 Hz. The leader of a vehicle is the nearest body in the
strip that it is about to drive over; a body is the box of the ego or the strip of the next 1.5 s
of another vehicle. As in NAVSIM v2.2 with `traffic_agents=reactive`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.scene_cache import N_REPLAY_STEPS, N_STEPS, SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, VX, VY, X, Y
from reworld_agent.pdm.traffic.rails import VEHICLE, Car, Parked, Rails, box_polygon, wrapped
from reworld_agent.pdm.world.geometry import LENGTH, WIDTH

_GAP, _HEADWAY, _ACCELERATION, _DECELERATION = 1.0, 1.5, 1.0, 2.0  # m, s, m/s², m/s²
_EXPONENT = 4
_DT = 0.1  # s
_RADIUS = 100.0  # m around the ego; who is farther off vanishes
_TOLERANCE = 1e-5  # m; vertices closer to the line between their neighbours are dropped
_EGO = "ego"
_STEPS_PER_FRAME = 5


class _Moving:
    """A car on its way: m along its rail, m/s, and pose [3] x, y [m], heading [rad]."""

    def __init__(self, car: Car) -> None:
        self.car = car
        self.progress, self.speed = car.progress, car.speed
        self.pose = car.rail.pose(car.rail.clamp(car.progress))

    def box(self) -> shapely.Polygon:
        return box_polygon(self.pose, self.car.length, self.car.width)

    def strip_ahead(self) -> shapely.Geometry:
        rail = self.car.rail
        return _strip(rail.ahead(rail.clamp(self.progress)), self.car.width)

    def body(self) -> shapely.Geometry:
        """Its box, and the strip that it covers in the next 1.5 s."""
        rail, half = self.car.rail, self.car.length / 2
        start = rail.clamp(self.progress - half)
        end = rail.clamp(self.progress + half + self.speed * _HEADWAY)
        strip = _strip(rail.between(start, end), self.car.width)
        return shapely.union_all([strip, self.box()])

    def drive(self, distance: float, leader_speed: float, leader_rear: float) -> None:
        """One step behind a leader (IDM, forward Euler)."""
        v = self.speed
        wanted = _GAP + v * _HEADWAY
        wanted += v * (v - leader_speed) / (2 * math.sqrt(_ACCELERATION * _DECELERATION))
        gap = max(distance - leader_rear, _GAP)
        free = (v / self.car.target_speed) ** _EXPONENT
        change = _ACCELERATION * (1 - free - (wanted / gap) ** 2)
        self.progress += _DT * v
        self.speed = max(v + _DT * min(max(-_DECELERATION, change), _ACCELERATION), 0.0)
        self.pose = self.car.rail.pose(self.car.rail.clamp(self.progress))


class Unsolvable(SceneError):
    """The devkit fails on this drive: a vehicle is not on its own path."""


def reactive_poses(
    cache: SceneCache, rails: Rails, ego: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Traffic that reacts to one drive of the ego.

    Args:
        cache: the scene.
        rails: of `build_rails`.
        ego: [41, 11] simulated states, global.

    Returns:
        [51, T, 3] box centres x, y [m] and headings [rad] of the cache's tracks; NaN where absent,
        as everything is after step 40.

    Raises:
        Unsolvable: the devkit's simulation fails on this drive.
    """
    poses = _replay(cache)
    moving = {car.name: _Moving(car) for car in rails.cars}
    bodies = _Bodies({name: item.car.box for name, item in moving.items()})
    # nuPlan puts the ego's box around its rear axle here, and sees it one step late.
    for step in range(1, N_STEPS):
        _advance(moving, bodies, ego[step - 1], cache.token)
        boxes = [item.box() for item in moving.values()]
        for item in moving.values():
            poses[step, item.car.track] = item.pose
        for parked in rails.parked:
            if _is_free(parked, boxes):
                poses[step, parked.track] = cache.track_pose[0, parked.track]
                boxes.append(parked.box)
    return poses


def _replay(cache: SceneCache) -> NDArray[np.float64]:
    """[51, T, 3] what does not react: all objects at t0, then those that are no vehicles."""
    poses = np.full((N_REPLAY_STEPS, len(cache.track_token), 3), np.nan)
    for track, (first, last) in enumerate(cache.track_sightings.tolist()):
        if first == 0:
            poses[0, track] = cache.track_pose[0, track]
        if first < 0 or cache.track_type[track] == VEHICLE:
            continue
        if first == last:  # seen once: there from then on, and from t0 + 0.1 s before
            poses[1:N_STEPS, track] = cache.track_pose[first * _STEPS_PER_FRAME, track]
        else:
            steps = slice(max(first * _STEPS_PER_FRAME, 1), last * _STEPS_PER_FRAME + 1)
            poses[steps, track] = cache.track_pose[steps, track]
    return poses


def _advance(
    moving: dict[str, _Moving], bodies: _Bodies, ego: NDArray[np.float64], token: str
) -> None:
    """All vehicles one step on, one after the other."""
    bodies[_EGO] = box_polygon(ego[[X, Y, HEADING]], LENGTH, WIDTH)
    for name in [name for name, item in moving.items() if _far(item.pose, ego)]:
        del moving[name]
        bodies.remove(name)
    for name, item in moving.items():
        found = bodies.leader(name, item.strip_ahead())
        if found is None:
            raise Unsolvable(
                f"scene {token}: vehicle {name} is not on its own path, where the devkit fails",
                "score this scene with traffic=log_replay",
            )
        leader, distance = found
        if not leader:
            item.drive(item.car.rail.end - item.progress, 0.0, item.car.length / 2)
        else:
            item.drive(distance, _speed_along(leader, item, moving, ego), 0.0)
        bodies[name] = item.body()


def _far(pose: NDArray[np.float64], ego: NDArray[np.float64]) -> bool:
    return math.hypot(pose[0] - ego[X], pose[1] - ego[Y]) > _RADIUS


def _speed_along(
    leader: str, item: _Moving, moving: Mapping[str, _Moving], ego: NDArray[np.float64]
) -> float:
    """Speed [m/s] of the leader in the direction of the vehicle behind it."""
    if _EGO in leader:
        speed, heading = float(np.hypot(ego[VX], ego[VY])), float(ego[HEADING])
    else:
        speed, heading = moving[leader].speed, float(moving[leader].pose[2])
    return speed * math.cos(wrapped(heading - float(item.pose[2])))


def _is_free(parked: Parked, boxes: list[shapely.Polygon]) -> bool:
    return not boxes or not shapely.intersects(np.array(boxes, np.object_), parked.box).any()


def _strip(line: NDArray[np.float64], width: float) -> shapely.Geometry:
    return shapely.LineString(line).buffer(width / 2, cap_style="flat")


class _Bodies:
    """What is where, by name."""

    def __init__(self, shapes: dict[str, shapely.Geometry]) -> None:
        self._shapes = shapes
        self._restless = set(shapes)

    def __setitem__(self, name: str, shape: shapely.Geometry) -> None:
        self._shapes[name] = shape
        self._restless.add(name)

    def remove(self, name: str) -> None:
        del self._shapes[name]
        self._restless.discard(name)

    def leader(self, name: str, strip: shapely.Geometry) -> tuple[str, float] | None:
        """The body in `strip` nearest to `name` and its distance [m].

        ("", 0) for a free strip; None where `name` is not in its own strip.
        """
        self._simplify()
        names = list(self._shapes)
        tree = shapely.STRtree(list(self._shapes.values()))
        inside = [
            names[i] for i in tree.query(strip) if shapely.intersects(tree.geometries[i], strip)
        ]
        if name not in inside:
            return None
        if len(inside) == 1:
            return "", 0.0
        # A name that is part of the vehicle's own name is passed over, as in the devkit.
        others = [other for other in inside if other not in name]
        if not others:
            return None
        own = self._shapes[name]
        candidates = shapely.STRtree([self._shapes[other] for other in others])
        nearest = int(candidates.nearest(own))
        return others[nearest], float(
            shapely.length(shapely.shortest_line(own, candidates.geometries[nearest]))
        )

    def _simplify(self) -> None:
        # The devkit simplifies every shape before every look, so that one that has come to rest is
        # simplified again and again, until nothing of it changes any more.
        for name in list(self._restless):
            before = self._shapes[name]
            after = before.simplify(_TOLERANCE, preserve_topology=True)
            self._shapes[name] = after
            if shapely.equals_exact(before, after, tolerance=0.0):
                self._restless.discard(name)
