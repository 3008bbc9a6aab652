"""PDM-Closed's forecast: every object keeps its speed and heading; red lights are walls.

Of the objects within 100 m, the nearest 50 static ones, 50 vehicles, 25 pedestrians and 10
bicycles are kept. Positions are updated every second step (0.2 s).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.pdm.pdm_closed.proposals import SAMPLE_STEPS, STEP_S
from reworld_agent.pdm.scene_cache import N_AGENT_TYPES, TRACK_TYPES
from reworld_agent.pdm.world.ego_box import ego_center, ego_polygon
from reworld_agent.pdm.world.frames import Boxes

RADIUS = 100.0  # m
_MOST_STATIC = 50
_MOST_AGENTS = dict(zip(TRACK_TYPES[:N_AGENT_TYPES], (50, 25, 10), strict=True))
_NO_SHAPES: NDArray[np.object_] = np.empty(0, np.object_)


class Forecast(NamedTuple):
    """N objects (static ones, vehicles, pedestrians, bicycles), then L red lights; M = N + L."""

    boxes: Boxes  # the N objects at t0
    corners: NDArray[np.float64]  # [N, 5, 2] m at t0, closed
    shift: NDArray[np.float64]  # [N, 2] m/s
    lights: NDArray[np.object_]  # [L] polygons
    overlaps: NDArray[np.bool_]  # [M] meets the ego box at t0: ignored from then on

    def corners_at(self, n_samples: int) -> NDArray[np.float64]:
        """[n_samples, N, 5, 2] corners [m] at t0 + 0, 0.2, 0.4 .. s."""
        times = np.arange(n_samples) * SAMPLE_STEPS * STEP_S
        return self.corners + times[:, None, None, None] * self.shift[:, None]


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
    corners = _corners(kept)
    ego = ego_polygon(pose)
    hit = shapely.intersects(ego, shapely.polygons(corners))
    overlaps = np.concatenate([hit, shapely.within(ego, red_lights)])
    return Forecast(kept, corners, _shift(kept), red_lights, overlaps)


def _nearest(center: NDArray[np.float64], objects: Boxes) -> NDArray[np.int64]:
    distance = ((objects.pose[:, :2] - center) ** 2.0).sum(axis=-1) ** 0.5
    in_range = np.hypot(*(objects.pose[:, :2] - center).T) <= RADIUS
    static = np.flatnonzero(in_range & (objects.kind >= N_AGENT_TYPES))
    rows = [static[np.argsort(distance[static])][:_MOST_STATIC]]
    for kind, most in enumerate(_MOST_AGENTS.values()):
        agents = np.flatnonzero(in_range & (objects.kind == kind))
        rows.append(agents[np.argsort(distance[agents])][:most])
    return np.concatenate(rows)


def _corners(objects: Boxes) -> NDArray[np.float64]:
    """[N, 5, 2] corners front left, rear left, rear right, front right, front left."""
    heading = objects.pose[:, 2]
    half = objects.size / 2.0
    corners = np.empty((len(half), 5, 2))
    for k, (lon, lat) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1), (1, 1))):
        length, width = lon * half[:, 0], lat * half[:, 1]
        left = heading + np.pi / 2.0
        corners[:, k, 0] = width * np.cos(left) + length * np.cos(heading)
        corners[:, k, 1] = width * np.sin(left) + length * np.sin(heading)
    return corners + objects.pose[:, None, :2]


def _shift(objects: Boxes) -> NDArray[np.float64]:
    """[N, 2] velocity [m/s] along the box's axis, forward or backward as the object moves."""
    vx, vy = objects.velocity.T
    heading = objects.pose[:, 2]
    difference = heading - np.arctan2(vy, vx)
    forward = np.abs(np.arctan2(np.sin(difference), np.cos(difference))) < np.pi / 2
    axis = np.where(forward, heading, heading + np.pi)
    speed = np.where(objects.kind < N_AGENT_TYPES, np.hypot(vx, vy), 0.0)
    return np.column_stack([np.cos(axis), np.sin(axis)]) * speed[:, None]
