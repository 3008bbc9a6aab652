"""PDM-Closed's forecast: every object keeps its speed and heading; red lights are walls.

Of the objects within 100 m, the nearest 50 static ones, 50 vehicles, 25 pedestrians and 10
bicycles are kept. Positions are updated every second step (0.2 s).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.pdm.cache import N_AGENT_TYPES, N_REPLAY_STEPS, TRACK_TYPES
from reworld_agent.pdm.frames import Boxes
from reworld_agent.pdm.lane_search import ego_center, ego_polygon
from reworld_agent.pdm.observation import STEP_S

RADIUS = 100.0  # m
SAMPLE_STEPS = 2
N_SAMPLES = (N_REPLAY_STEPS + 1) // SAMPLE_STEPS  # t0 + 0, 0.2 .. 5 s
_MOST_STATIC = 50
_MOST_AGENTS = dict(zip(TRACK_TYPES[:N_AGENT_TYPES], (50, 25, 10), strict=True))
_NO_SHAPES: NDArray[np.object_] = np.empty(0, np.object_)


class Forecast(NamedTuple):
    """M obstacles: static objects, then vehicles, pedestrians, bicycles, then red lights."""

    row: NDArray[np.int64]  # [N] rows of the objects in the frame's boxes, N ≤ M
    boxes: Boxes  # these N objects
    shift: NDArray[np.float64]  # [M, 2] m/s
    shapes: NDArray[np.object_]  # [M] polygons at t0
    is_light: NDArray[np.bool_]  # [M]
    overlaps: NDArray[np.bool_]  # [M] meets the ego box at t0: ignored from then on

    def shapes_at(self, sample: int) -> NDArray[np.object_]:
        """[M] polygons at t0 + 0.2 s · `sample`."""
        moving = self.shift.any(axis=1)
        shapes = self.shapes.copy()
        counts = shapely.get_num_coordinates(shapes[moving])
        move = np.repeat(self.shift[moving], counts, axis=0) * (sample * SAMPLE_STEPS * STEP_S)
        points = shapely.get_coordinates(shapes[moving]) + move
        shapes[moving] = shapely.set_coordinates(shapes[moving].copy(), points)
        return shapes


def forecast(
    pose: NDArray[np.float64], objects: Boxes, red_lights: NDArray[np.object_] = _NO_SHAPES
) -> Forecast:
    """The obstacles that PDM-Closed plans with.

    Args:
        pose: [3] ego rear axle at t0, global.
        objects: the frame at t0.
        red_lights: polygons of the route's lane connectors whose light is red.
    """
    row = _nearest(ego_center(pose), objects)
    kept = Boxes(
        [objects.token[i] for i in row],
        objects.kind[row],
        objects.size[row],
        objects.pose[row],
        objects.velocity[row],
    )
    shapes = np.concatenate([_polygons(kept), red_lights])
    shift = np.concatenate([_shift(kept), np.zeros((len(red_lights), 2))])
    is_light = np.arange(len(shapes)) >= len(row)
    ego = ego_polygon(pose)
    overlaps = shapely.intersects(ego, shapes) & (~is_light | shapely.within(ego, shapes))
    return Forecast(row, kept, shift, shapes, is_light, overlaps)


def _nearest(center: NDArray[np.float64], objects: Boxes) -> NDArray[np.int64]:
    distance = ((objects.pose[:, :2] - center) ** 2.0).sum(axis=-1) ** 0.5
    in_range = np.hypot(*(objects.pose[:, :2] - center).T) <= RADIUS
    static = np.flatnonzero(in_range & (objects.kind >= N_AGENT_TYPES))
    rows = [static[np.argsort(distance[static])][:_MOST_STATIC]]
    for kind, most in enumerate(_MOST_AGENTS.values()):
        agents = np.flatnonzero(in_range & (objects.kind == kind))
        rows.append(agents[np.argsort(distance[agents])][:most])
    return np.concatenate(rows)


def _polygons(objects: Boxes) -> NDArray[np.object_]:
    """[N] box polygons, corners front left, rear left, rear right, front right."""
    heading = objects.pose[:, 2]
    half = objects.size / 2.0
    corners = np.empty((len(half), 4, 2))
    for k, (lon, lat) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        length, width = lon * half[:, 0], lat * half[:, 1]
        left = heading + np.pi / 2.0
        corners[:, k, 0] = width * np.cos(left) + length * np.cos(heading)
        corners[:, k, 1] = width * np.sin(left) + length * np.sin(heading)
    polygons: NDArray[np.object_] = shapely.polygons(corners + objects.pose[:, None, :2])
    return polygons


def _shift(objects: Boxes) -> NDArray[np.float64]:
    """[N, 2] velocity [m/s] along the box's axis, forward or backward as the object moves."""
    vx, vy = objects.velocity.T
    heading = objects.pose[:, 2]
    difference = heading - np.arctan2(vy, vx)
    forward = np.abs(np.arctan2(np.sin(difference), np.cos(difference))) < np.pi / 2
    axis = np.where(forward, heading, heading + np.pi)
    speed = np.where(objects.kind < N_AGENT_TYPES, np.hypot(vx, vy), 0.0)
    return np.column_stack([np.cos(axis), np.sin(axis)]) * speed[:, None]
