"""Shapes of all that is no car: people, cyclists, posts, signals, trees, houses, works."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from reworld_agent.scenes.synthetic.render.shapes import (
    GLASS,
    LEAVES,
    RUBBER,
    WALL_ALONG_X,
    WALL_ALONG_Y,
    Colour,
    Part,
    Shape,
    assemble,
    block,
    disc,
    quad,
)
from reworld_agent.scenes.synthetic.town.signals import GREEN, RED, YELLOW

SKIN: Colour = (140, 165, 205)
CLOTHES: tuple[Colour, ...] = (
    (60, 60, 190),
    (170, 110, 40),
    (60, 150, 90),
    (60, 190, 220),
    (190, 190, 190),
    (140, 60, 130),
)
TROUSERS: tuple[Colour, ...] = ((80, 60, 50), (50, 50, 50), (110, 100, 80))
WALLS: tuple[Colour, ...] = (
    (96, 118, 158),
    (168, 184, 198),
    (110, 124, 136),
    (140, 160, 176),
    (84, 96, 140),
    (190, 196, 198),
    (130, 140, 128),
)
ROOFS: tuple[Colour, ...] = ((70, 76, 84), (62, 70, 128), (92, 96, 100), (60, 62, 70))
_AROUND = ((-1, -1), (1, -1), (1, 1), (-1, 1))
LAMPS = {RED: ((40, 40, 255), 0.66), YELLOW: ((40, 200, 255), 0.0), GREEN: ((120, 255, 80), -0.66)}


def _flat(y: tuple[float, float], z: tuple[float, float], colour: Colour, glow: str = "") -> Part:
    """A rectangle of a shape that faces the camera."""
    return Part(quad("-x", 0.0, y, z), colour, glow)


def person(height: float, look: int, stride: float) -> Shape:
    """Somebody on foot; stride in [-1, 1] spreads the legs."""
    shirt, trousers = CLOTHES[look % len(CLOTHES)], TROUSERS[look // 7 % len(TROUSERS)]
    hip, neck, spread = 0.48 * height, 0.84 * height, 0.16 * stride
    parts = [Part(quad("z", 0.02, (-0.3, 0.3), (-0.3, 0.3)), (44, 43, 42), "light")]
    for side in (-1, 1):
        foot = side * (0.09 + spread)
        leg = np.array(
            [
                [0.0, foot + 0.08, 0.0],
                [0.0, foot - 0.08, 0.0],
                [0.0, side * 0.09 - 0.09, hip],
                [0.0, side * 0.09 + 0.09, hip],
            ]
        )
        parts.append(Part(leg, trousers))
        arm = np.array(
            [[0.0, side * 0.22, neck], [0.0, side * 0.33, neck], [0.0, side * 0.33, hip]]
        )
        parts.append(Part(arm - np.array([0.0, spread * side, 0.0]) * [[0], [0], [1]], shirt))
    parts.append(_flat((-0.23, 0.23), (hip, neck), shirt))
    parts.append(disc((0.0, 0.0, 0.92 * height), 0.135, "-x", SKIN))
    return assemble(parts, (0.3, 0.3), billboard=True)


def cyclist(look: int) -> Shape:
    """A bicycle with its rider."""
    shirt = CLOTHES[look % len(CLOTHES)]
    parts = [Part(quad("z", 0.02, (-0.9, 0.9), (-0.2, 0.2)), (44, 43, 42), "light")]
    for x in (-0.55, 0.55):
        parts.append(disc((x, 0.0, 0.35), 0.35, "y", RUBBER))
        parts.append(Part(quad("-x", x - 0.2, (-0.04, 0.04), (0.0, 0.7)), RUBBER, two_sided=True))
        parts.append(disc((x, 0.0, 0.35), 0.27, "y", (120, 120, 118)))
    frame = np.array([[-0.55, 0.0, 0.35], [0.0, 0.0, 0.4], [0.45, 0.0, 0.95], [-0.15, 0.0, 0.9]])
    parts.append(Part(frame, (60, 60, 160), two_sided=True))
    parts += block((-0.2, 0.1), (-0.16, 0.16), (0.45, 0.95), (70, 60, 55))
    parts += block((-0.25, 0.2), (-0.22, 0.22), (0.95, 1.45), shirt)
    parts += block((0.0, 0.22), (-0.1, 0.1), (1.47, 1.75), SKIN)
    parts += block((-0.02, 0.24), (-0.11, 0.11), (1.66, 1.78), (210, 210, 210))
    return assemble(parts, (0.9, 0.35))


def tree(height: float, radius: float, tint: float) -> Shape:
    """A broad-leaved tree."""
    base = np.array([48.0, 96.0, 62.0]) + tint * np.array([10.0, 34.0, 22.0])
    parts = [
        disc((0.0, 0.0, 0.02), 0.9 * radius, "z", (62, 92, 70)),
        _flat((-0.16, 0.16), (0.0, 0.6 * height), (48, 62, 78)),
    ]
    for dy, dz, size, shade in (
        (0.0, 0.0, 1.0, 0.80),
        (-0.45, 0.25, 0.72, 0.92),
        (0.45, 0.15, 0.74, 0.86),
        (0.05, 0.55, 0.75, 1.08),
        (-0.15, 0.20, 0.45, 1.20),
    ):
        center = (0.0, dy * radius, height - radius * 1.25 + dz * radius)
        colour = (base[0] * shade, base[1] * shade, base[2] * shade)
        parts.append(disc(center, size * radius, "-x", colour)._replace(texture=LEAVES))
    return assemble(parts, (radius * 0.4, radius * 0.4), billboard=True)


def lamp_post() -> Shape:
    """A street lamp; its arm reaches to the left, over the road."""
    parts = [
        *block((-0.08, 0.08), (-0.08, 0.08), (0.0, 7.0), (96, 98, 100)),
        *block((-0.06, 0.06), (0.0, 1.8), (6.9, 7.05), (96, 98, 100)),
        *block((-0.15, 0.15), (1.5, 2.2), (6.8, 6.95), (170, 190, 200)),
    ]
    return assemble(parts, (0.1, 0.1))


def bin_shape() -> Shape:
    """A bin on the pavement."""
    parts = block((-0.35, 0.35), (-0.35, 0.35), (0.0, 0.95), (70, 92, 60))
    parts += block((-0.38, 0.38), (-0.38, 0.38), (0.95, 1.1), (48, 60, 46))
    return assemble(parts, (0.35, 0.35))


def signal(state: int, reach: float) -> Shape:
    """Traffic lights that face -x: a post, an arm of `reach` metres to the left, two heads."""
    metal: Colour = (72, 74, 76)
    parts = block((-0.1, 0.1), (-0.1, 0.1), (0.0, 6.0), metal)
    parts += block((-0.07, 0.07), (0.0, reach), (5.85, 6.0), metal)
    for y, z in ((reach, 5.3), (0.0, 3.4)):
        parts.append(Part(quad("-x", -0.2, (y - 0.42, y + 0.42), (z - 1.1, z + 1.1)), (24, 24, 24)))
        parts.append(Part(quad("x", 0.1, (y - 0.42, y + 0.42), (z - 1.1, z + 1.1)), (30, 30, 30)))
        for lamp, (colour, dz) in LAMPS.items():
            lit = lamp == state
            if lit:
                glow = (colour[0] * 0.45 + 12, colour[1] * 0.45 + 12, colour[2] * 0.45 + 12)
                parts.append(disc((-0.21, y, z + dz), 0.42, "-x", glow, "lamp"))
            dim = (colour[0] * 0.2, colour[1] * 0.2, colour[2] * 0.2)
            shown, shine = (colour, "lamp") if lit else (dim, "light")
            parts.append(disc((-0.22, y, z + dz), 0.30, "-x", shown, shine))
    return assemble([p._replace(two_sided=False) for p in parts], (0.1, 0.1))


def walled_house(width: float, depth: float, height: float, style: int) -> Shape:
    """A house whose windows are a texture: four walls, a cornice and a roof."""
    wall = WALLS[style % len(WALLS)]
    x, y = width / 2, depth / 2
    parts = [
        Part(quad("-x", -x, (-y, y), (0.0, height)), wall, texture=WALL_ALONG_Y),
        Part(quad("x", x, (-y, y), (0.0, height)), wall, texture=WALL_ALONG_Y),
        Part(quad("-y", -y, (0.0, height), (-x, x)), wall, texture=WALL_ALONG_X),
        Part(quad("y", y, (0.0, height), (-x, x)), wall, texture=WALL_ALONG_X),
    ]
    roof: Colour = ROOFS[style // 8 % len(ROOFS)]
    if height < 10.0:  # a hipped roof
        top, edge = height + 0.22 * min(width, depth), 0.4
        ridge = max(x - y, 0.0)
        a, b = np.array([-ridge, 0.0, top]), np.array([ridge, 0.0, top])
        low = [np.array([i * (x + edge), j * (y + edge), height]) for i, j in _AROUND]
        parts += [
            Part(np.stack([low[0], low[1], b, a]), roof),
            Part(np.stack([low[1], low[2], b]), roof),
            Part(np.stack([low[2], low[3], a, b]), roof),
            Part(np.stack([low[3], low[0], a]), roof),
        ]
        return assemble(parts, (x, y))
    parts += block((-x - 0.2, x + 0.2), (-y - 0.2, y + 0.2), (height - 0.5, height + 0.4), roof)
    return assemble(parts, (x, y))


def house(width: float, depth: float, height: float, style: int) -> Shape:
    """A house along x; windows in bands or in columns on all four walls, shops at the bottom."""
    wall = WALLS[style % len(WALLS)]
    x, y = width / 2, depth / 2
    parts = block((-x, x), (-y, y), (0.0, height), wall)
    glass = GLASS if style % 3 else (120, 104, 84)
    columns = style // 8 % 2 == 1
    for axis, at, half in (("-x", -x, y), ("x", x, y), ("-y", -y, x), ("y", y, x)):
        for low, high in ((-half + 0.7, half - 0.7),):
            parts += _windows(axis, at, (low, high), height, glass, columns)
        base = 0.4 if style % 5 else 2.9
        parts.append(_panel(axis, at, (-half, half), (0.0, base), (70, 72, 78), 0.03))
        parts.append(_panel(axis, at, (-half, half), (height - 0.5, height), (90, 96, 104), 0.03))
    return assemble(parts, (x, y))


def _panel(
    axis: str,
    at: float,
    along: tuple[float, float],
    z: tuple[float, float],
    colour: Colour,
    out: float,
) -> Part:
    sign = -1.0 if axis[0] == "-" else 1.0
    place = at + sign * out
    points = quad(axis, place, along, z) if axis[-1] == "x" else quad(axis, place, z, along)
    return Part(points, colour)


def _windows(
    axis: str,
    at: float,
    along: tuple[float, float],
    height: float,
    glass: Colour,
    columns: bool,
) -> list[Part]:
    if columns:
        count = max(2, int((along[1] - along[0]) / 3.0))
        edges = np.linspace(along[0], along[1], count + 1)
        spans = [(a + 0.5, b - 0.5) for a, b in pairwise(edges)]
        return [_panel(axis, at, span, (3.2, height - 1.0), glass, 0.02) for span in spans]
    floors = np.arange(3.6, height - 1.5, 3.2)
    return [_panel(axis, at, along, (z, z + 1.5), glass, 0.02) for z in floors]


def cone() -> Shape:
    """A traffic cone."""
    orange: Colour = (30, 110, 245)
    base = block((-0.2, 0.2), (-0.2, 0.2), (0.0, 0.06), orange)
    body = np.array([[0.0, 0.17, 0.06], [0.0, -0.17, 0.06], [0.0, -0.04, 0.75], [0.0, 0.04, 0.75]])
    stripe = np.array([[0.0, 0.12, 0.3], [0.0, -0.12, 0.3], [0.0, -0.08, 0.5], [0.0, 0.08, 0.5]])
    parts = [*base, Part(body, orange), Part(stripe - [0.01, 0.0, 0.0], (235, 235, 235))]
    return assemble(parts, (0.2, 0.2), billboard=True)


def barrier(length: float, width: float, height: float) -> Shape:
    """A barrier of white and red boards."""
    x, y = length / 2, width / 2
    parts = block((-x, x), (-y, y), (0.0, 0.25), (90, 90, 92))
    parts += block((-x, x), (-0.06, 0.06), (0.45, height), (228, 228, 230))
    edges = np.linspace(-x, x, 7)
    for a, b in list(pairwise(edges))[::2]:
        parts.append(Part(quad("y", 0.07, (0.45, height), (a, b)), (40, 40, 210)))
        parts.append(Part(quad("-y", -0.07, (0.45, height), (a, b)), (40, 40, 210)))
    parts.append(Part(quad("-x", -x - 0.01, (-0.2, 0.2), (0.3, height)), (40, 40, 210)))
    return assemble(parts, (x, y))


def works_sign() -> Shape:
    """An orange diamond on a post, facing -x."""
    diamond = np.array(
        [[-0.05, 0.0, 0.8], [-0.05, -0.5, 1.3], [-0.05, 0.0, 1.8], [-0.05, 0.5, 1.3]]
    )
    parts = block((-0.04, 0.04), (-0.04, 0.04), (0.0, 0.9), (80, 80, 80))
    parts += [Part(diamond, (30, 120, 250), two_sided=True)]
    parts.append(disc((-0.06, 0.0, 1.3), 0.16, "-x", (30, 30, 30)))
    return assemble(parts, (0.1, 0.5))
