"""Solids in a depth buffer: convex polygons, cut at the near plane, filled row by row.

Everything is in the camera's frame (x right, y down, z forward) and in samples, of which a pixel
has SAMPLES x SAMPLES. 1/z is linear over a polygon's samples: with its plane n.p = d,
1/z = n.(u, v, 1) / d for u = x/z, v = y/z.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.render.compiled import compiled
from reworld_agent.scenes.synthetic.render.library import TWO_SIDED, Library, Things
from reworld_agent.scenes.synthetic.render.shapes import CORNERS
from reworld_agent.scenes.synthetic.town.geometry import Array

SAMPLES = 2
NEAR = 0.25  # m
SIGHT = 170.0  # m
SMALLEST = 0.3  # samples: what is smaller is left out
SHADOWS_TO = 70.0  # m
LAYER = 1.5e-5  # by which each polygon of a shape lies before the last, as a share of 1/z


class Pose(NamedTuple):
    """A camera in the town."""

    position: Array  # [3] m
    rotation: Array  # [3, 3], camera -> town
    focal: float  # px
    width: int
    height: int


class Canvas(NamedTuple):
    """What the rasteriser writes."""

    nearness: NDArray[np.float32]  # [H, W] samples, 1/z; 0 where nothing is
    owner: NDArray[np.int32]  # [H, W] samples: row of `drawn`, -1 where nothing is
    shade: NDArray[np.uint8]  # [H, W] samples: 1 where the sun does not reach the ground
    drawn: NDArray[np.int32]  # [D, 2]: thing, polygon


def new_canvas(width: int, height: int, polygons: int) -> Canvas:
    """An empty canvas for pictures of width x height pixels."""
    shape = (height * SAMPLES, width * SAMPLES)
    return Canvas(
        np.zeros(shape, np.float32),
        np.full(shape, -1, np.int32),
        np.zeros(shape, np.uint8),
        np.zeros((polygons, 2), np.int32),
    )


@compiled
def fill(canvas: Canvas, ring: Array, count: int, plane: Array, pose: Pose, owner: int) -> None:
    """Fill a ring [count, 2] of samples where it is nearer than what is there.

    Args:
        plane: [4] normal and distance in the camera's frame; all zero for a shadow.
    """
    height, width = canvas.nearness.shape
    scale = 1.0 / (pose.focal * SAMPLES)
    low, high, left, right = 1e9, -1e9, 1e9, -1e9
    for k in range(count):
        left, right = min(left, ring[k, 0]), max(right, ring[k, 0])
        low, high = min(low, ring[k, 1]), max(high, ring[k, 1])
    if high - low < SMALLEST and right - left < SMALLEST:
        return
    for row in range(max(0, int(np.ceil(low - 0.5))), min(height, int(np.ceil(high - 0.5)))):
        y = row + 0.5
        start, end = 1e9, -1e9
        for k in range(count):
            ax, ay = ring[k]
            bx, by = ring[(k + 1) % count]
            if (ay <= y) != (by <= y):
                x = ax + (y - ay) * (bx - ax) / (by - ay)
                start, end = min(start, x), max(end, x)
        first, last = max(0, int(np.ceil(start - 0.5))), min(width, int(np.ceil(end - 0.5)))
        if owner < 0:
            canvas.shade[row, first:last] = 1
            continue
        v = (y - height / 2) * scale
        step = plane[0] * scale / plane[3]
        near = (plane[0] * ((first + 0.5 - width / 2) * scale) + plane[1] * v + plane[2]) / plane[3]
        for column in range(first, last):
            if near > canvas.nearness[row, column]:
                canvas.nearness[row, column] = near
                canvas.owner[row, column] = owner
            near += step


@compiled
def cut(points: Array, count: int, ring: Array, pose: Pose) -> int:
    """Write the part of a polygon beyond the near plane into `ring`, in samples; its corners."""
    made = 0
    center_x, center_y = pose.width * SAMPLES / 2, pose.height * SAMPLES / 2
    focal = pose.focal * SAMPLES
    for k in range(count):
        ax, ay, az = points[k]
        bx, by, bz = points[(k + 1) % count]
        if az > NEAR:
            ring[made, 0], ring[made, 1] = ax / az * focal + center_x, ay / az * focal + center_y
            made += 1
        if (az > NEAR) != (bz > NEAR):
            part = (NEAR - az) / (bz - az)
            x, y = ax + part * (bx - ax), ay + part * (by - ay)
            ring[made, 0], ring[made, 1] = x / NEAR * focal + center_x, y / NEAR * focal + center_y
            made += 1
    return made


@compiled
def to_camera(pose: Pose, x: float, y: float, z: float, out: Array) -> None:
    """A point of the town in the camera's frame."""
    dx, dy, dz = x - pose.position[0], y - pose.position[1], z - pose.position[2]
    for k in range(3):
        out[k] = pose.rotation[0, k] * dx + pose.rotation[1, k] * dy + pose.rotation[2, k] * dz


@compiled
def sees(pose: Pose, center: Array, radius: float) -> bool:
    """Whether a ball may be in the picture."""
    if not -radius < center[2] < SIGHT + radius:
        return False
    wide = pose.width / 2 / pose.focal
    return abs(center[0]) < wide * center[2] + radius * np.sqrt(1.0 + wide * wide)


@compiled
def draw(canvas: Canvas, library: Library, things: Things, pose: Pose) -> int:
    """Draw all things; the number of polygons drawn, which `canvas.drawn` lists."""
    center, points, ring = np.empty(3), np.empty((CORNERS, 3)), np.empty((2 * CORNERS, 2))
    plane, count = np.empty(4), 0
    facing = np.arctan2(pose.rotation[1, 2], pose.rotation[0, 2])
    for i in range(len(things.shape)):
        shape = things.shape[i]
        x, y, heading = things.place[i]
        to_camera(pose, x, y, 0.0, center)
        if not sees(pose, center, library.size[shape, 0]):
            continue
        if library.billboard[shape]:
            heading = facing
        cos, sin = np.cos(heading), np.sin(heading)
        begin = library.first[shape]
        for j in range(begin, library.first[shape + 1]):
            nx, ny, nz = library.normals[j]
            nx, ny = cos * nx - sin * ny, sin * nx + cos * ny
            corners = library.corners[j]
            for k in range(corners):
                px, py, pz = library.points[j, k]
                to_camera(pose, x + cos * px - sin * py, y + sin * px + cos * py, pz, points[k])
            for k in range(3):
                plane[k] = (
                    pose.rotation[0, k] * nx + pose.rotation[1, k] * ny + pose.rotation[2, k] * nz
                )
            distance = plane[0] * points[0, 0] + plane[1] * points[0, 1] + plane[2] * points[0, 2]
            if distance > -1e-6 and not library.flags[j] & TWO_SIDED:
                continue
            if abs(distance) < 1e-6 or count >= len(canvas.drawn):
                continue
            plane[3] = distance / (1.0 + LAYER * (j - begin))
            made = cut(points, corners, ring, pose)
            if made > 2:
                fill(canvas, ring, made, plane, pose, count)
                canvas.drawn[count, 0], canvas.drawn[count, 1] = i, j
                count += 1
    return count


@compiled
def cast_shadows(
    canvas: Canvas, library: Library, things: Things, pose: Pose, slope: Array
) -> None:
    """Mark the ground that things keep the sun from.

    Args:
        slope: [2] metres on the ground by which a shadow reaches away for each metre of height.
    """
    center, ring = np.empty(3), np.empty((2 * CORNERS, 2))
    corners, hull = np.empty((8, 2)), np.empty((8, 3))
    none = np.zeros(4)
    for i in range(len(things.shape)):
        shape = things.shape[i]
        radius, along, across, tall = library.size[shape]
        if tall < 0.5:
            continue
        x, y, heading = things.place[i]
        to_camera(pose, x, y, 0.0, center)
        if center[2] > SHADOWS_TO or not sees(
            pose, center, radius + tall * (abs(slope[0]) + abs(slope[1]))
        ):
            continue
        cos, sin = np.cos(heading), np.sin(heading)
        for k in range(8):
            a, b = along * (1 - 2 * (k & 1)), across * (1 - (k & 2))
            high = tall * (k // 4)
            corners[k, 0] = x + cos * a - sin * b + slope[0] * high
            corners[k, 1] = y + sin * a + cos * b + slope[1] * high
        count = wrap_hull(corners, hull[:, :2])
        for k in range(count):
            to_camera(pose, hull[k, 0], hull[k, 1], 0.0, hull[k])
        made = cut(hull, count, ring, pose)
        if made > 2:
            fill(canvas, ring, made, none, pose, -1)


@compiled
def wrap_hull(points: Array, hull: Array) -> int:
    """Gift wrapping: the convex hull of points [8, 2] into `hull`; its corners."""
    start = 0
    for k in range(len(points)):
        if points[k, 0] < points[start, 0]:
            start = k
    here, count = start, 0
    while count < len(points):
        hull[count, 0], hull[count, 1] = points[here, 0], points[here, 1]
        count += 1
        best = (here + 1) % len(points)
        for k in range(len(points)):
            turn = (points[best, 0] - points[here, 0]) * (points[k, 1] - points[here, 1]) - (
                points[best, 1] - points[here, 1]
            ) * (points[k, 0] - points[here, 0])
            if turn < -1e-9:
                best = k
        here = best
        if here == start:
            break
    return count
