"""What reactive traffic drives on: for each vehicle at t0 the middle line of its lane.

Vehicles near the middle line of a lane are put onto it and follow it; parked ones stand where
they are; all others are there at t0 only. As in NAVSIM v2.2 with `traffic_agents=reactive`, whose
parameters these are; lanes are never changed, and traffic lights not looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.scene_cache import TRACK_TYPES, SceneCache
from reworld_agent.pdm.world.ego_box import ego_polygon
from reworld_agent.scenes.maps.city import (
    INTERSECTION,
    LANE,
    LANE_CONNECTOR,
    CityMap,
    open_city_map,
)

VEHICLE = TRACK_TYPES.index("vehicle")
_SNAP_LIMIT = 3.0  # m between a vehicle and the middle line that it is put onto
_TARGET_SPEED = 10.0  # m/s where no lane of the scene has named a speed limit yet
_STANDS = 0.1  # m/s
_HEADING_STEP = 0.5  # m along the line from which its heading is taken
_POINT = 0.01  # m; half side of the square that stands for a point in a map query
_SAME = 1e-8  # m between two vertices that are one


class Rail:
    """A line to drive along.

    Args:
        states: [N, 3] x, y [m], heading [rad], global; the vertices of a lane's middle line.

    Attributes:
        progress: [M] arc length [m] of the vertices kept: of two that coincide the later one, and,
            as in the devkit, never the last.
        xy: [M, 2] m.
    """

    def __init__(self, states: NDArray[np.float64]) -> None:
        steps = np.linalg.norm(np.diff(states[:, :2], axis=0), axis=1)
        keep = np.append(np.abs(steps) > _SAME, False)
        self.progress = np.cumsum(np.append(0.0, steps))[keep]
        self.xy = states[keep, :2]
        self._states = np.column_stack([self.xy, np.unwrap(states[keep, 2])])

    def __len__(self) -> int:
        return len(self.progress)

    @property
    def end(self) -> float:
        """Where the rail ends [m]."""
        return float(self.progress[-1])

    def clamp(self, progress: float) -> float:
        """The nearest arc length [m] that is on the rail."""
        return max(float(self.progress[0]), min(progress, self.end))

    def pose(self, progress: float) -> NDArray[np.float64]:
        """[3] x, y [m], heading [rad] at an arc length [m] on the rail."""
        high = min(max(int(np.searchsorted(self.progress, progress)), 1), len(self) - 1)
        low = high - 1
        slope = (self._states[high] - self._states[low]) / (
            self.progress[high] - self.progress[low]
        )
        pose: NDArray[np.float64] = slope * (progress - self.progress[low]) + self._states[low]
        pose[2] = wrapped(pose[2])
        return pose

    def ahead(self, progress: float) -> NDArray[np.float64]:
        """[K, 2] the line from an arc length [m] to the end; at the end its last piece."""
        if not progress < self.end:
            return self.xy[-2:]
        first = int(np.searchsorted(self.progress, progress, side="right"))
        return np.vstack([self.pose(progress)[:2], self.xy[first:]])

    def between(self, start: float, end: float) -> NDArray[np.float64]:
        """[K, 2] the line between two arc lengths [m]; beyond its ends its last or first piece."""
        if not start < self.end:
            return self.xy[-2:]
        if not self.progress[0] < end:
            return self.xy[:2]
        inner = self.xy[(self.progress > start) & (self.progress < end)]
        return np.vstack([self.pose(start)[:2], inner, self.pose(end)[:2]])


@dataclass(frozen=True)
class Car:
    """A vehicle on a rail at t0.

    Attributes:
        track: its number in the scene cache.
        name: its track token.
        rail: what it follows.
        progress: m along it.
        speed: m/s.
        target_speed: m/s in free traffic.
        length, width: m.
        box: its box on the rail.
    """

    track: int
    name: str
    rail: Rail
    progress: float
    speed: float
    target_speed: float
    length: float
    width: float
    box: shapely.Polygon


@dataclass(frozen=True)
class Parked:
    """A vehicle that stands where it is as long as no other one is there."""

    track: int
    box: shapely.Polygon


@dataclass(frozen=True)
class Rails:
    """The vehicles of a scene at t0, in the order of its tracks."""

    cars: tuple[Car, ...]
    parked: tuple[Parked, ...]


def build_rails(cache: SceneCache, maps_root: str | Path) -> Rails:
    """The rails of a scene.

    Args:
        cache: the scene; its map name and its vehicles at t0 are read.
        maps_root: folder of the maps.

    Raises:
        DataError: the city's map is missing or damaged.
        SceneError: a vehicle has no speed, or a lane is too short to follow.
    """
    city = open_city_map(maps_root, cache.map_name)
    present = np.flatnonzero((cache.track_type == VEHICLE) & (cache.track_sightings[:, 0] == 0))
    spots = {int(track): _spot(cache.track_pose[0, track], city) for track in present}
    cars: list[Car] = []
    taken = [ego_polygon(cache.ego_state[:3])]
    target = _TARGET_SPEED
    for track, spot in spots.items():
        if spot.lane is None or spot.deviation > _SNAP_LIMIT:
            continue
        box = box_polygon(spot.on_line, *cache.track_size[track].tolist())
        if shapely.intersects(np.array(taken, np.object_), box).any():
            continue
        taken.append(box)
        # A lane without a limit takes that of the vehicle before, as in the devkit.
        target = city.graph.speed_limit(spot.lane) or target
        cars.append(_car(cache, track, spot, target, box, city))
    driven = {car.track for car in cars}
    parked = tuple(
        Parked(track, box_polygon(cache.track_pose[0, track], *cache.track_size[track].tolist()))
        for track, spot in spots.items()
        if track not in driven and _is_parked(spot, float(cache.track_speed[track]))
    )
    return Rails(tuple(cars), parked)


def _car(
    cache: SceneCache, track: int, spot: _Spot, target: float, box: shapely.Polygon, city: CityMap
) -> Car:
    assert spot.lane is not None
    name, speed = str(cache.track_token[track]), float(cache.track_speed[track])
    rail = Rail(city.baseline(spot.lane).states)
    problem = "has no speed" if math.isnan(speed) else ""
    if len(rail) < 2:
        problem = f"is on lane {spot.lane}, whose middle line is too short to follow"
    if problem:
        raise SceneError(
            f"scene {cache.token}: vehicle {name} {problem}",
            "score this scene with traffic=log_replay",
        )
    length, width = cache.track_size[track].tolist()
    return Car(track, name, rail, spot.progress, speed, target, length, width, box)


@dataclass(frozen=True)
class _Spot:
    """Where a vehicle is.

    Attributes:
        lane: the one that fits its heading best; None off the lanes.
        progress, deviation: how far it is along and beside the lane's middle line [m].
        on_line: [3] its pose on that line.
        in_lanes: it stands in a lane, or in a connector on an intersection.
    """

    lane: int | None = None
    progress: float = 0.0
    deviation: float = 0.0
    on_line: NDArray[np.float64] | None = None
    in_lanes: bool = False


def _spot(pose: NDArray[np.float64], city: CityMap) -> _Spot:
    point = shapely.Point(pose[0], pose[1])
    lanes = _holding(LANE, point, city)
    in_lanes = bool(lanes)
    if not lanes and _holding(INTERSECTION, point, city):
        lanes, in_lanes = _holding(LANE_CONNECTOR, point, city), True
    if not lanes:
        return _Spot(in_lanes=in_lanes)
    lines = [shapely.LineString(city.baseline(lane).states[:, :2]) for lane in lanes]
    poses = [_nearest_pose(line, point) for line in lines]
    # Headings are compared without wrapping, as in the devkit.
    best = int(np.argmin([abs(found[2] - pose[2]) for found in poses]))
    found = poses[best]
    deviation = float(np.hypot(found[0] - pose[0], found[1] - pose[1]))
    return _Spot(lanes[best], float(lines[best].project(point)), deviation, found, in_lanes)


def _holding(kind: int, point: shapely.Point, city: CityMap) -> list[int]:
    """Ids of the objects whose polygon holds the point."""
    near = city.near(kind, point.x, point.y, _POINT)
    return [identity for identity in near if city.polygon(kind, identity).contains(point)]


def _nearest_pose(line: shapely.LineString, point: shapely.Point) -> NDArray[np.float64]:
    arc = line.project(point)
    here, there = line.interpolate(arc), line.interpolate(arc + _HEADING_STEP)
    if here == there:  # at the end of the line
        before = line.interpolate(arc - _HEADING_STEP)
        heading = math.atan2(here.y - before.y, here.x - before.x)
    else:
        heading = math.atan2(there.y - here.y, there.x - here.x)
    return np.array([here.x, here.y, heading])


def _is_parked(spot: _Spot, speed: float) -> bool:
    """Standing off the lanes, or too far from the middle line of its lane to follow it."""
    off_line = spot.lane is not None and spot.deviation > _SNAP_LIMIT
    return (speed < _STANDS and not spot.in_lanes) or off_line


def wrapped(angle: float) -> float:
    """Angle [rad] in [-π, π)."""
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


def box_polygon(pose: NDArray[np.float64] | None, length: float, width: float) -> shapely.Polygon:
    """The box of a vehicle whose centre is at `pose` [3] x, y [m], heading [rad]."""
    assert pose is not None
    x, y, heading = pose.tolist()
    corners = []
    for lon, lat in ((1, 1), (-1, 1), (-1, -1), (1, -1)):
        ahead, left = lon * length / 2.0, lat * width / 2.0
        side = heading + math.pi / 2.0
        corners.append(
            (
                x + (left * math.cos(side) + ahead * math.cos(heading)),
                y + (left * math.sin(side) + ahead * math.sin(heading)),
            )
        )
    return shapely.Polygon(corners)
