"""Solid shapes as painted polygons: cars, lorries, houses, trees, posts, people.

A shape is a list of convex polygons in the object's own frame (x forward, y left, z up, metres),
in painting order, each with a colour (BGR). Polygons of a closed body show their front side only,
which is the side from which the vertices run counter-clockwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reworld_agent.scenes.synthetic.town.geometry import Array

CORNERS = 8  # vertices of every polygon; the last one is repeated where it has fewer
PLAIN, WALL_ALONG_Y, WALL_ALONG_X, LEAVES = range(4)  # textures of polygons
Colour = tuple[float, float, float]
GLASS: Colour = (62, 50, 42)
RUBBER: Colour = (32, 32, 32)
CAR_COLOURS: tuple[Colour, ...] = (
    (225, 225, 225),
    (40, 40, 42),
    (120, 122, 126),
    (70, 60, 150),
    (150, 80, 40),
    (170, 172, 176),
    (60, 90, 60),
    (90, 160, 200),
)


class Part(NamedTuple):
    """One polygon."""

    points: Array  # [n <= CORNERS, 3]
    colour: Colour
    glow: str = ""  # "brake": bright when braking; "light": never shaded; "lamp": shines
    two_sided: bool = False
    texture: int = PLAIN


@dataclass(frozen=True)
class Shape:
    """Polygons ready for painting."""

    points: Array  # [P, CORNERS, 3]
    colours: Array  # [P, 3]
    normals: Array  # [P, 3], unit
    two_sided: Array  # [P] bool
    brake: Array  # [P] bool
    bright: Array  # [P] bool: not shaded
    lamp: Array  # [P] bool: shines at night
    textures: Array  # [P] int
    half: tuple[float, float]  # footprint's half length and width (m)
    billboard: bool = False  # turns to face the camera


def assemble(parts: list[Part], half: tuple[float, float], billboard: bool = False) -> Shape:
    """The parts as arrays."""
    points = np.stack(
        [p.points[np.minimum(np.arange(CORNERS), len(p.points) - 1)] for p in parts]
    ).astype(float)
    normals = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    return Shape(
        points,
        np.array([p.colour for p in parts], dtype=float),
        normals,
        np.array([p.two_sided or billboard for p in parts]),
        np.array([p.glow == "brake" for p in parts]),
        np.array([bool(p.glow) for p in parts]),
        np.array([p.glow == "lamp" for p in parts]),
        np.array([p.texture for p in parts]),
        half,
        billboard,
    )


def quad(axis: str, at: float, first: tuple[float, float], second: tuple[float, float]) -> Array:
    """A rectangle [4, 3] across an axis, facing along +axis ("x", "y", "z") or -axis ("-x" ...).

    `first` and `second` are the ranges of the other two axes in cyclic order (x: y, z; y: z, x;
    z: x, y).
    """
    k = "xyz".index(axis[-1])
    corners = [(first[0], second[0]), (first[1], second[0]), (first[1], second[1])]
    corners.append((first[0], second[1]))
    if axis[0] == "-":
        corners.reverse()
    points = np.empty((4, 3))
    points[:, k] = at
    points[:, (k + 1) % 3], points[:, (k + 2) % 3] = np.array(corners).T
    return points


def block(
    x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], colour: Colour
) -> list[Part]:
    """A box: four walls and a roof."""
    return [
        Part(quad("-x", x[0], y, z), colour),
        Part(quad("x", x[1], y, z), colour),
        Part(quad("-y", y[0], z, x), colour),
        Part(quad("y", y[1], z, x), colour),
        Part(quad("z", z[1], x, y), colour),
    ]


def disc(
    center: tuple[float, float, float], radius: float, axis: str, colour: Colour, glow: str = ""
) -> Part:
    """An octagon across the axis "-x" (facing backwards), "y" or "z"."""
    angle = -np.arange(CORNERS) * 2 * np.pi / CORNERS - np.pi / CORNERS
    zero, cos, sin = np.zeros(CORNERS), radius * np.cos(angle), radius * np.sin(angle)
    rings = {"-x": [zero, cos, sin], "y": [cos, zero, sin], "z": [cos, sin, zero]}
    ring = np.stack(rings[axis], -1)
    return Part(ring + np.array(center), colour, glow, two_sided=True)


def _shadow(length: float, width: float) -> Part:
    x, y = length / 2 + 0.15, width / 2 + 0.15
    return Part(quad("z", 0.02, (-x, x), (-y, y)), (38, 37, 36), "light")


def car(length: float, width: float, height: float, look: int) -> Shape:
    """A car; above 1.75 m it is a van."""
    van = height > 1.75
    paint = CAR_COLOURS[look % len(CAR_COLOURS)]
    x, y = length / 2, width / 2
    belt, floor = (0.52 if van else 0.60) * height, 0.24
    parts = [_shadow(length, width), *_wheels(length, y)]
    parts += block((-x, x), (-y, y), (floor, belt), paint)
    parts += _cabin(length, y, belt, height, van, paint)
    lamp = (0.62 * belt, 0.88 * belt)
    for side in (-1, 1):
        inner, outer = sorted((side * 0.55 * y, side * 0.96 * y))
        parts.append(Part(quad("-x", -x - 0.01, (inner, outer), lamp), (40, 30, 130), "brake"))
        parts.append(Part(quad("x", x + 0.01, (inner, outer), lamp), (225, 232, 232), "lamp"))
    dark = (floor, 0.45 * belt)
    parts.append(Part(quad("-x", -x - 0.01, (-0.9 * y, 0.9 * y), dark), (48, 48, 50)))
    parts.append(Part(quad("x", x + 0.01, (-0.5 * y, 0.5 * y), lamp), (40, 40, 42)))
    plate = (0.48 * belt, 0.6 * belt)
    parts.append(Part(quad("-x", -x - 0.02, (-0.26, 0.26), plate), (215, 225, 225)))
    high = belt + 0.72 * (height - belt)
    third = quad("-x", -0.46 * length if van else -0.40 * length, (-0.2, 0.2), (high, high + 0.07))
    parts.append(Part(third, (40, 30, 110), "brake"))
    return assemble(parts, (x, y))


def _cabin(
    length: float, y: float, belt: float, height: float, van: bool, paint: Colour
) -> list[Part]:
    """Roof, glass and pillars above the belt line."""
    base = (-0.485 * length, 0.27 * length) if van else (-0.43 * length, 0.24 * length)
    roof = (-0.46 * length, 0.12 * length) if van else (-0.30 * length, 0.08 * length)
    low, top = y * 0.97, y * 0.80
    corners = {
        (end, side, level): np.array(
            [(base, roof)[level][end], side * (low, top)[level], (belt, height)[level]]
        )
        for end in (0, 1)
        for side in (-1, 1)
        for level in (0, 1)
    }
    rear = np.stack([corners[0, 1, 0], corners[0, -1, 0], corners[0, -1, 1], corners[0, 1, 1]])
    front = np.stack([corners[1, -1, 0], corners[1, 1, 0], corners[1, 1, 1], corners[1, -1, 1]])
    right = np.stack([corners[0, -1, 0], corners[1, -1, 0], corners[1, -1, 1], corners[0, -1, 1]])
    left = np.stack([corners[1, 1, 0], corners[0, 1, 0], corners[0, 1, 1], corners[1, 1, 1]])
    parts = []
    for wall in (rear, front, right, left):
        middle = wall.mean(axis=0)
        glass = middle + (wall - middle) * 0.84
        normal = np.cross(wall[1] - wall[0], wall[2] - wall[0])
        parts.append(Part(wall, paint))
        parts.append(Part(glass + 0.01 * normal / np.linalg.norm(normal), GLASS))
    top_face = np.stack([corners[0, -1, 1], corners[1, -1, 1], corners[1, 1, 1], corners[0, 1, 1]])
    return [*parts, Part(top_face, paint)]


def _wheels(length: float, y: float) -> list[Part]:
    parts = []
    for x in (-0.30 * length, 0.31 * length):
        for side in (-1, 1):
            parts.append(disc((x, side * (y + 0.01), 0.34), 0.34, "y", RUBBER))
            inner, outer = sorted((side * (y - 0.24), side * y))
            parts.append(Part(quad("-x", x - 0.3, (inner, outer), (0.0, 0.4)), RUBBER))
            parts.append(Part(quad("x", x + 0.3, (inner, outer), (0.0, 0.4)), RUBBER))
    return parts


def lorry(length: float, width: float, height: float, look: int) -> Shape:
    """A box lorry."""
    paint = CAR_COLOURS[(look // 3) % len(CAR_COLOURS)]
    x, y = length / 2, width / 2
    parts = [_shadow(length, width), *_wheels(length, y)]
    parts += block((0.24 * length, x), (-y, y), (0.4, 0.72 * height), paint)
    parts += block((-x, 0.22 * length), (-y, y), (0.75, height), (205, 208, 210))
    glass = quad("x", x + 0.01, (-0.9 * y, 0.9 * y), (0.45 * height, 0.66 * height))
    parts.append(Part(glass, GLASS))
    parts.append(Part(quad("-x", -x - 0.01, (-y, y), (0.5, 0.75)), (60, 60, 62)))
    for side in (-1, 1):
        inner, outer = sorted((side * 0.7 * y, side * 0.98 * y))
        lamp = quad("-x", -x - 0.02, (inner, outer), (0.55, 0.85))
        parts.append(Part(lamp, (40, 30, 130), "brake"))
    return assemble(parts, (x, y))
