"""Shapes and where they stand, as arrays that the rasteriser reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.render.shapes import CORNERS, Shape
from reworld_agent.scenes.synthetic.town.geometry import Array

Ints = NDArray[np.int32]
TWO_SIDED, BRAKE, BRIGHT, LAMP = 1, 2, 4, 8  # flags of a polygon
BRAKES, LIGHTS = 1, 2  # what is on, of a thing


class Library(NamedTuple):
    """Polygons [P] of S shapes, in the objects' own frames (m; x forward, y left, z up)."""

    points: Array  # [P, CORNERS, 3]
    corners: Ints  # [P], how many of them differ
    normals: Array  # [P, 3]
    colours: Array  # [P, 3], BGR 0 to 255
    flags: Ints  # [P]
    textures: Ints  # [P], see `shapes.TEXTURES`
    first: Ints  # [S + 1], where a shape's polygons begin
    size: Array  # [S, 4]: radius, half length, half width, height (m)
    billboard: Ints  # [S]: 1 where the shape turns to the camera


class Things(NamedTuple):
    """What stands or moves, one row a thing."""

    shape: Ints  # [N]
    place: Array  # [N, 3]: x, y, heading
    state: Ints  # [N], BRAKES and LIGHTS


def build_library(shapes: Sequence[Shape]) -> Library:
    """All polygons of the shapes, one after the other."""
    count = [len(shape.points) for shape in shapes]
    points = np.concatenate([shape.points for shape in shapes])
    moved = np.abs(np.diff(points, axis=1)).sum(-1) > 0.0
    last = CORNERS - np.argmax(moved[:, ::-1], axis=1)
    flags = np.concatenate(
        [
            TWO_SIDED * s.two_sided + BRAKE * s.brake + BRIGHT * s.bright + LAMP * s.lamp
            for s in shapes
        ]
    )
    return Library(
        points,
        last.astype(np.int32),
        np.concatenate([shape.normals for shape in shapes]),
        np.concatenate([shape.colours for shape in shapes]),
        flags.astype(np.int32),
        np.concatenate([shape.textures for shape in shapes]).astype(np.int32),
        np.concatenate([[0], np.cumsum(count)]).astype(np.int32),
        np.array([_size(shape) for shape in shapes]),
        np.array([shape.billboard for shape in shapes], np.int32),
    )


def join_libraries(first: Library, second: Library) -> Library:
    """Both, the second's shapes numbered after the first's."""
    pairs: Iterable[tuple[Any, Any]] = zip(first, second, strict=True)
    joined = Library(*(np.concatenate(pair) for pair in pairs))
    begins = np.concatenate([first.first, second.first[1:] + first.first[-1]])
    return joined._replace(first=begins.astype(np.int32))


def join_things(first: Things, second: Things) -> Things:
    """Both, one after the other."""
    pairs: Iterable[tuple[Any, Any]] = zip(first, second, strict=True)
    return Things(*(np.concatenate(pair) for pair in pairs))


def _size(shape: Shape) -> tuple[float, float, float, float]:
    radius = float(np.linalg.norm(shape.points, axis=-1).max())
    return (radius, *shape.half, float(shape.points[..., 2].max()))
