"""Lamps that shine beyond their edges, their reflections on a wet road, and rain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.render.compiled import compiled
from reworld_agent.scenes.synthetic.render.library import (
    BRAKE,
    BRAKES,
    LAMP,
    LIGHTS,
    Library,
    Things,
)
from reworld_agent.scenes.synthetic.render.raster import SAMPLES, Canvas, Pose, to_camera
from reworld_agent.scenes.synthetic.render.scene import Air
from reworld_agent.scenes.synthetic.render.shade import noise
from reworld_agent.scenes.synthetic.town.geometry import Array

HALO, LEAST_HALO = 1.4, 0.9  # times a lamp's radius; px
BY_DAY, BY_NIGHT = 0.35, 0.6  # strength
STREAKS, KEPT, ADDED = 90, 0.94, 10.0  # of rain: faint, as no model can foresee them
Picture = NDArray[np.float32]


@compiled
def add_halo(
    picture: Picture, x: float, y: float, size: float, stretch: float, colour: Array, part: float
) -> None:
    """Add a Gaussian spot around (x, y) px, `stretch` times as high as wide."""
    height, width = picture.shape[:2]
    tall = size * stretch
    for row in range(max(0, int(y - 2.5 * tall)), min(height, int(y + 2.5 * tall) + 2)):
        for column in range(max(0, int(x - 2.5 * size)), min(width, int(x + 2.5 * size) + 2)):
            a, b = (column + 0.5 - x) / size, (row + 0.5 - y) / tall
            weight = part * np.exp(-a * a - b * b)
            for k in range(3):
                picture[row, column, k] += weight * colour[k]


@compiled
def project(pose: Pose, place: Array, out: Array) -> bool:
    """A point [3] of the town in pixels, and its depth; False where it is not in the picture."""
    x, y, z = place
    to_camera(pose, x, y, z, out)
    if out[2] < 1.0:
        return False
    out[0] = out[0] / out[2] * pose.focal + pose.width / 2
    out[1] = out[1] / out[2] * pose.focal + pose.height / 2
    return 0.0 <= out[0] < pose.width and 0.0 <= out[1] < pose.height


@compiled
def add_lamps(
    canvas: Canvas,
    library: Library,
    things: Things,
    air: Air,
    pose: Pose,
    drawn: int,
    picture: Picture,
) -> None:
    """Halos of the lamps that are seen, and their reflections on a wet road."""
    middle, spot, colour = np.empty(3), np.empty(3), np.empty(3)
    for i in range(drawn):
        thing, j = canvas.drawn[i]
        brakes = library.flags[j] & BRAKE and things.state[thing] & BRAKES
        lamp = library.flags[j] & LAMP and things.state[thing] & LIGHTS
        if not brakes and not lamp:
            continue
        x, y, heading = things.place[thing]
        cos, sin = np.cos(heading), np.sin(heading)
        count = library.corners[j]
        radius = 0.0
        for axis in range(3):
            middle[axis] = library.points[j, :count, axis].mean()
            radius += (library.points[j, 0, axis] - middle[axis]) ** 2
        radius = np.sqrt(radius)
        a, b = middle[0], middle[1]
        middle[0], middle[1] = x + cos * a - sin * b, y + sin * a + cos * b
        if not project(pose, middle, spot):
            continue
        owner = canvas.owner[int(spot[1] * SAMPLES), int(spot[0] * SAMPLES)]
        if owner < 0 or canvas.drawn[owner, 0] != thing:
            continue
        for axis in range(3):
            colour[axis] = (30.0, 20.0, 255.0)[axis] if brakes else library.colours[j, axis]
        size = max(HALO * radius * pose.focal / spot[2], LEAST_HALO)
        part = (BY_DAY + (BY_NIGHT - BY_DAY) * air.night) * np.exp(-spot[2] / air.haze)
        add_halo(picture, spot[0], spot[1], size, 1.0, colour, part)
        if air.wet > 0.0:
            middle[2] = -middle[2]
            if project(pose, middle, spot):
                column, row = int(spot[0] * SAMPLES), int(spot[1] * SAMPLES)
                if canvas.owner[row, column] < 0:
                    add_halo(picture, spot[0], spot[1], size, 3.0, colour, 0.5 * part)


@compiled
def add_rain(picture: Picture, wet: float, seed: int) -> None:
    """Bright streaks, others in every frame."""
    height, width = picture.shape[:2]
    for k in range(int(STREAKS * wet)):
        x = noise(k, seed, 1) * width
        y, length = noise(k, seed, 2) * height, 5.0 + 9.0 * noise(k, seed, 3)
        for step in range(int(length)):
            row, column = int(y + step), int(x + 0.15 * step)
            if row < height and column < width:
                for c in range(3):
                    picture[row, column, c] = KEPT * picture[row, column, c] + ADDED


@compiled
def develop(picture: Picture, out: NDArray[np.uint8]) -> None:
    """Floats [H, W, 3] as bytes; what is too bright is cut."""
    height, width = picture.shape[:2]
    for row in range(height):
        for column in range(width):
            for k in range(3):
                value = picture[row, column, k] + np.float32(0.5)
                value = min(max(value, np.float32(0.0)), np.float32(255.0))
                out[row, column, k] = np.uint8(value)
