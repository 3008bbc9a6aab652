"""Colours of the samples that the rasteriser has found: walls, leaves, ground, sky, haze.

A pixel that one thing fills is coloured once, in its middle; every other one once a sample. Each
kernel adds the share of its own kind of surface to the picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.render.compiled import compiled
from reworld_agent.scenes.synthetic.render.library import (
    BRAKE,
    BRAKES,
    BRIGHT,
    LAMP,
    LIGHTS,
    TWO_SIDED,
    Library,
    Things,
)
from reworld_agent.scenes.synthetic.render.raster import SAMPLES, Canvas, Pose
from reworld_agent.scenes.synthetic.render.scene import Air, Ground, Scene
from reworld_agent.scenes.synthetic.render.shapes import LEAVES, PLAIN, WALL_ALONG_Y
from reworld_agent.scenes.synthetic.town.geometry import Array

FLOOR, FIRST_FLOOR = 3.1, 3.4  # m, between the floors, and the height of the ground floor
WET_DARK, WET_SHINE = 0.72, 0.55
HEADLIGHT = 16.0  # m that ego's lights reach well
WINDOWS_LIT = 0.32
FARTHEST = 400.0  # m of ground
RISES, STEEPEST = 512, 0.5  # entries of the sky's table, up to this tangent
SHARPEST = 6  # places along a ray's footprint on the ground, at most
Picture = NDArray[np.float32]
Colour = tuple[float, float, float]
PARTS = SAMPLES * SAMPLES


@compiled
def noise(a: int, b: int, c: int) -> float:
    """A number in [0, 1) for three integers."""
    h = (a * 374761393 + b * 668265263 + c * 2147483629) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 1103515245) & 0xFFFFFFFF
    return ((h ^ (h >> 15)) & 0xFFFF) / 65536.0


@compiled
def beam(ego_x: float, ego_y: float, cos: float, sin: float, x: float, y: float) -> float:
    """Light of ego's headlights at a point."""
    dx, dy = x - ego_x, y - ego_y
    ahead, aside = dx * cos + dy * sin, dy * cos - dx * sin
    if ahead < 1.0:
        return 0.0
    edge = aside / (1.5 + 0.45 * ahead)
    return 0.85 * np.exp(-edge * edge) / (1.0 + (ahead / HEADLIGHT) ** 2)


@compiled
def window(
    u: float, z: float, grain: float, style: int, height: float, period: float, part: float
) -> tuple[float, float, float, bool]:
    """Windows in rows and columns.

    Args:
        u, z: m along the wall and above the ground; grain: m that a pixel covers there.
        period, part: m from window to window, and the share of it that is glass.

    Returns:
        How much of the place is glass, how bright the glass and the bricks are, and whether there
        is light behind it.
    """
    floor = int(np.floor((z - FIRST_FLOOR) / FLOOR))
    column = int(np.floor(u / period))
    aside = abs(u / period - column - 0.5)
    if z < FIRST_FLOOR:
        shop = style % 4 == 0
        inside = 0.5 < z < 2.7 if shop else 1.0 < z < 2.7 and aside < part / 2
        covered = 0.6 if shop else part * 0.5
    else:
        up = (z - FIRST_FLOOR) / FLOOR - floor
        inside = 0.22 < up < 0.78 and aside < part / 2 and z < height - 0.9
        covered = part * 0.56
    sharp = min(max(1.6 - grain / (0.35 * period), 0.0), 1.0)
    share = sharp * (1.0 if inside else 0.0) + (1.0 - sharp) * covered
    bricks = 1.0 + 0.12 * sharp * (noise(int(u * 2.5), int(z * 4.0), style) - 0.5)
    lit = noise(style + 11, floor, column) < WINDOWS_LIT
    return share, 0.75 + 0.5 * noise(style, floor, column), bricks, lit


@compiled
def count_samples(owner: NDArray[np.int32], counts: NDArray[np.uint8]) -> None:
    """By pixel [H, W], how many of its samples are coloured: 1 where they show the same thing."""
    height, width = counts.shape
    for row in range(height):
        for column in range(width):
            top, left = row * SAMPLES, column * SAMPLES
            first, alike = owner[top, left], True
            for k in range(1, PARTS):
                alike = alike and owner[top + k // SAMPLES, left + k % SAMPLES] == first
            counts[row, column] = 1 if alike else PARTS


@compiled
def spot(count: int, k: int) -> tuple[float, float]:
    """Where sample k of a pixel lies in it, in samples: the middle where one stands for all."""
    if count == 1:
        return SAMPLES / 2, SAMPLES / 2
    return k % SAMPLES + 0.5, k // SAMPLES + 0.5


@compiled
def add(
    picture: Picture, row: int, column: int, colour: Colour, haze: Array, clear: float, share: float
) -> None:
    """Add a colour seen through haze: `clear` of it is left."""
    picture[row, column, 0] += share * (colour[0] * clear + haze[0] * (1.0 - clear))
    picture[row, column, 1] += share * (colour[1] * clear + haze[1] * (1.0 - clear))
    picture[row, column, 2] += share * (colour[2] * clear + haze[2] * (1.0 - clear))


@compiled
def shade_sky(
    canvas: Canvas, counts: NDArray[np.uint8], pose: Pose, air: Air, table: Array, picture: Picture
) -> None:
    """A gradient, clouds and a line of hills; what is below the horizon is `shade_ground`'s.

    Args:
        table: [RISES, 3] of `sky_table`.
    """
    owner, turn, zenith, horizon = canvas.owner, pose.rotation, air.zenith, air.horizon
    scale, width, height = 1.0 / (pose.focal * SAMPLES), pose.width, pose.height
    hills = 0.4 * (1.0 - 0.85 * air.night)
    for column in range(width):
        u = (column * SAMPLES + SAMPLES / 2 - width * SAMPLES / 2) * scale
        bearing = np.arctan2(turn[1, 0] * u + turn[1, 2], turn[0, 0] * u + turn[0, 2])
        crest = np.sin(3 * bearing) + 0.6 * np.sin(7 * bearing + 1.3)
        crest = 0.05 * (0.75 + 0.3 * (crest + 0.25 * np.sin(17 * bearing)))
        slant = 1.0 / np.sqrt(1.0 + u * u)
        for row in range(height // 2):
            count, share = counts[row, column], 0.0
            for k in range(count):
                if owner[row * SAMPLES + k // SAMPLES, column * SAMPLES + k % SAMPLES] < 0:
                    share += 1.0 / count
            if share == 0.0:
                continue
            rise = (height * SAMPLES / 2 - row * SAMPLES - SAMPLES / 2) * scale * slant
            entry = min(int(rise * RISES / STEEPEST), RISES - 1)
            part, b = table[entry, 0], table[entry, 1]
            cloud = np.sin(5 * bearing + table[entry, 2]) + np.sin(12 * bearing - 2 * b + 1.9)
            cloud = (cloud + 0.5 * np.sin(26 * bearing + 3.3 * b)) * air.clouds * part
            mix = hills if rise < crest else 0.0
            keep = share * (1.0 - mix)
            for k in range(3):
                sky = horizon[k] + part * (zenith[k] - horizon[k]) + cloud
                picture[row, column, k] += keep * sky + share * mix * (104.0 - 8.0 * abs(k - 1))


def sky_table() -> Array:
    """By the tangent of the elevation: share of the zenith, height and bend of the clouds."""
    rise = (np.arange(RISES) + 0.5) * STEEPEST / RISES
    high = np.log(rise + 0.08) * 2.2
    part = np.clip(rise * 1.9, 0.0, 1.0) ** 0.8
    return np.stack([part, high, 2.1 * np.sin(high * 1.7 + 0.4)], -1)


@compiled
def ground_colour(
    pixels: NDArray[np.uint8],
    begin: int,
    width: int,
    height: int,
    column: float,
    row: float,
    smooth: bool,
    beyond: Array,
) -> Colour:
    """The colour of a place of a level of the ground, in its pixels; between pixels if smooth."""
    if not (0.0 <= column < width - 1.001 and 0.0 <= row < height - 1.001):
        return beyond[0], beyond[1], beyond[2]
    if not smooth:
        n = begin + int(row + 0.5) * width + int(column + 0.5)
        return float(pixels[n, 0]), float(pixels[n, 1]), float(pixels[n, 2])
    i, j = int(row), int(column)
    a, b, n = row - i, column - j, begin + i * width + j
    p, q, r, s = (1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b
    m = n + width
    return (
        p * pixels[n, 0] + q * pixels[n + 1, 0] + r * pixels[m, 0] + s * pixels[m + 1, 0],
        p * pixels[n, 1] + q * pixels[n + 1, 1] + r * pixels[m, 1] + s * pixels[m + 1, 1],
        p * pixels[n, 2] + q * pixels[n + 1, 2] + r * pixels[m, 2] + s * pixels[m + 1, 2],
    )


@compiled
def footprint(ground: Ground, depth: float, focal: float, high: float) -> tuple[float, int, int]:
    """How a pixel's footprint on the ground is averaged: its length (m), places, level.

    Args:
        depth: m along the camera's axis; high: m of the camera.
    """
    wide = depth / focal
    long = wide * depth / high
    count = int(min(max(long / max(wide, ground.size), 1.0), SHARPEST))
    fine = max(wide, long / (1.5 * count))
    level = int(min(max(np.log2(fine / ground.size) + 0.3, 0.0), len(ground.first) - 1.0))
    return long, count, level


@compiled
def shade_ground(
    canvas: Canvas,
    counts: NDArray[np.uint8],
    ground: Ground,
    pose: Pose,
    air: Air,
    ego: Array,
    picture: Picture,
) -> None:
    """The painted plane below the horizon, in sun, in shadow, wet or in the headlights.

    The camera does not nod: a row of samples sees the ground at one depth.
    """
    owner, dark, turn, pixels = canvas.owner, canvas.shade, pose.rotation, ground.pixels
    x0, y0, high = pose.position
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    scale, base = 1.0 / (pose.focal * SAMPLES), air.ambient + air.direct * air.sun[2]
    for row in range(pose.height // 2, pose.height):
        for line in range(SAMPLES + 1):  # the middle of the row, then its lines of samples
            down = SAMPLES / 2 if line == 0 else line - 0.5
            v = (row * SAMPLES + down - pose.height * SAMPLES / 2) * scale
            depth = min(high / v, FARTHEST)
            long, places, level = footprint(ground, depth, pose.focal, high)
            size, first = ground.size * (1 << level), ground.first[level]
            wide, tall = ground.width[level], ground.height[level]
            clear, base_light = np.exp(-depth / air.haze), base
            if air.wet > 0.0:
                clear *= 1.0 - WET_SHINE * np.exp(-6.0 * v)
                base_light *= WET_DARK
            for column in range(pose.width):
                count = counts[row, column]
                if (count == 1) != (line == 0):
                    continue
                for k in range(1 if line == 0 else SAMPLES):
                    y, x = row * SAMPLES + max(line - 1, 0), column * SAMPLES + k
                    if owner[y, x] >= 0:
                        continue
                    right = SAMPLES / 2 if line == 0 else k + 0.5
                    u = (column * SAMPLES + right - pose.width * SAMPLES / 2) * scale
                    dx, dy = turn[0, 0] * u + turn[0, 2], turn[1, 0] * u + turn[1, 2]
                    blue, green, red = 0.0, 0.0, 0.0
                    for p in range(places):
                        t = depth + ((p + 0.5) / places - 0.5) * long
                        b, g, r = ground_colour(
                            pixels,
                            first,
                            wide,
                            tall,
                            (x0 + t * dx - ground.origin[0]) / size,
                            (y0 + t * dy - ground.origin[1]) / size,
                            level == 0,
                            ground.beyond,
                        )
                        blue, green, red = blue + b, green + g, red + r
                    light = base_light - air.sunlit if dark[y, x] else base_light
                    if air.night > 0.0:
                        light += air.night * beam(
                            ego[0], ego[1], cos, sin, x0 + depth * dx, y0 + depth * dy
                        )
                    light /= places
                    colour = (blue * light, green * light, red * light)
                    add(picture, row, column, colour, air.horizon, clear, 1.0 / count)


@compiled
def lit_colour(
    library: Library, things: Things, air: Air, thing: int, polygon: int
) -> tuple[float, float, float, float]:
    """The colour of a polygon and the light on it; 0 where it shines by itself."""
    flags, colour, state = library.flags[polygon], library.colours[polygon], things.state[thing]
    if flags & BRAKE and state & BRAKES:
        return 70.0, 60.0, 255.0, 0.0
    if flags & LAMP and state & LIGHTS:
        return colour[0], colour[1], colour[2], 0.0
    if flags & BRAKE and state & LIGHTS and air.night > 0.0:
        return colour[0], colour[1], 170.0, 0.0
    if flags & BRIGHT and not flags & LAMP:
        return colour[0], colour[1], colour[2], 1.0 - 0.8 * air.night
    if flags & TWO_SIDED:  # turns with the camera: it has no side of its own
        return colour[0], colour[1], colour[2], air.ambient + 0.5 * air.direct
    heading = things.place[thing, 2]
    cos, sin = np.cos(heading), np.sin(heading)
    nx, ny, nz = library.normals[polygon]
    turn = (cos * nx - sin * ny) * air.sun[0] + (sin * nx + cos * ny) * air.sun[1]
    light = air.ambient + air.direct * max(turn + nz * air.sun[2], 0.0)
    return colour[0], colour[1], colour[2], light


@compiled
def shade_solids(
    canvas: Canvas,
    counts: NDArray[np.uint8],
    drawn: Array,
    pose: Pose,
    air: Air,
    ego: Array,
    picture: Picture,
) -> None:
    """Everything that stands on the ground.

    Args:
        drawn: [D, 13] of the polygons drawn: colour, light, texture, style, height of the shape,
            x, y, cos and sin of its heading, period and width of windows; see `polygon_table`.
    """
    owner, nearness, turn = canvas.owner, canvas.nearness, pose.rotation
    x0, y0, high = pose.position
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    scale = 1.0 / (pose.focal * SAMPLES)
    for row in range(pose.height):
        for column in range(pose.width):
            count = counts[row, column]
            for k in range(count):
                y, x = row * SAMPLES + k // SAMPLES, column * SAMPLES + k % SAMPLES
                d = owner[y, x]
                if d < 0:
                    continue
                right, down = spot(count, k)
                u = (column * SAMPLES + right - pose.width * SAMPLES / 2) * scale
                v = (row * SAMPLES + down - pose.height * SAMPLES / 2) * scale
                depth = 1.0 / nearness[y, x]
                px = x0 + depth * (turn[0, 0] * u + turn[0, 2])
                py = y0 + depth * (turn[1, 0] * u + turn[1, 2])
                pz, light, shine = high - depth * v, drawn[d, 3], 0.0
                blue, green, red = drawn[d, 0], drawn[d, 1], drawn[d, 2]
                texture = int(drawn[d, 4])
                if texture == LEAVES:
                    view = turn[1, 2] * (px - drawn[d, 7]) - turn[0, 2] * (py - drawn[d, 8])
                    cell = max(0.28, 2.0 * depth / pose.focal)
                    leaf = noise(
                        int(np.floor(view / cell)), int(np.floor(pz / cell)), int(drawn[d, 5])
                    )
                    light *= 0.78 + 0.44 * leaf
                elif texture != PLAIN:
                    dx, dy = px - drawn[d, 7], py - drawn[d, 8]
                    across = drawn[d, 9] * dy - drawn[d, 10] * dx
                    along = drawn[d, 9] * dx + drawn[d, 10] * dy
                    place = across if texture == WALL_ALONG_Y else along
                    grain, style = depth / pose.focal, int(drawn[d, 5])
                    share, glass, bricks, lit = window(
                        place, pz, grain, style, drawn[d, 6], drawn[d, 11], drawn[d, 12]
                    )
                    blue = blue * bricks * (1.0 - share) + 88.0 * glass * share
                    green = green * bricks * (1.0 - share) + 72.0 * glass * share
                    red = red * bricks * (1.0 - share) + 60.0 * glass * share
                    shine = share * air.night if lit else 0.0
                if light == 0.0:
                    light = 1.0
                elif air.night > 0.0:
                    light += air.night * beam(ego[0], ego[1], cos, sin, px, py)
                blue, green, red = blue * light, green * light, red * light
                blue += (110.0 - blue) * 0.9 * shine
                green += (180.0 - green) * 0.9 * shine
                red += (225.0 - red) * 0.9 * shine
                clear = np.exp(-depth / air.haze)
                add(picture, row, column, (blue, green, red), air.horizon, clear, 1.0 / count)


@compiled
def polygon_table(
    drawn: NDArray[np.int32], count: int, library: Library, things: Things, air: Air
) -> Array:
    """What `shade_solids` needs of each of the polygons drawn [count, 13]."""
    table = np.empty((count, 13))
    for d in range(count):
        thing, polygon = drawn[d]
        blue, green, red, light = lit_colour(library, things, air, thing, polygon)
        x, y, heading = things.place[thing]
        table[d, 0], table[d, 1], table[d, 2], table[d, 3] = blue, green, red, light
        table[d, 4], table[d, 5] = library.textures[polygon], thing * 7 + 3
        table[d, 6] = library.size[things.shape[thing], 3]
        table[d, 7], table[d, 8] = x, y
        table[d, 9], table[d, 10] = np.cos(heading), np.sin(heading)
        table[d, 11] = 2.3 + 1.3 * noise(thing, 1, 7)
        table[d, 12] = 0.45 + 0.25 * noise(thing, 2, 7)
    return table


_SKY = sky_table()


def shade(canvas: Canvas, scene: Scene, drawn: int, picture: Picture) -> None:
    """Colour every pixel of `picture` [H, W, 3]; `drawn` polygons are on the canvas."""
    counts = np.empty(picture.shape[:2], np.uint8)
    picture[:] = 0.0
    pose, air, ego = scene.pose, scene.air, scene.ego
    count_samples(canvas.owner, counts)
    shade_sky(canvas, counts, pose, air, _SKY, picture)
    shade_ground(canvas, counts, scene.ground, pose, air, ego, picture)
    table = polygon_table(canvas.drawn, drawn, scene.library, scene.things, air)
    shade_solids(canvas, counts, table, pose, air, ego, picture)
