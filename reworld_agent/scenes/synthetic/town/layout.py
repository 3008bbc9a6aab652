"""The plan of a town: where its junctions lie and how its streets run between them.

A town is a bent grid. Its four outer corners are bends of various radii instead of junctions; some
streets bulge or are missing; whole rows and columns are avenues or have cycle lanes; some junctions
are roundabouts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reworld_agent.scenes.synthetic.town.geometry import Array, corner, resample
from reworld_agent.scenes.synthetic.town.plans import TownPlan, TownStyle
from reworld_agent.scenes.synthetic.town.warps import Warp, find_warp

LANE_WIDTH = 3.7  # m
SIDE_WIDTH = {"parking": 2.4, "bike": 1.8}  # m, between the outermost lane and the kerb
CORNER_MARGIN = 12.0  # m of kerb radius added to the half width of the widest street
_NARROW = LANE_WIDTH + SIDE_WIDTH["parking"] + 0.1  # m, half width of streets of one lane
Key = tuple[int, int]
ROUND_MARGIN = 20.0  # m, the same at a roundabout


@dataclass(frozen=True)
class Street:
    """A street between two junctions, from mouth to mouth."""

    start: tuple[int, int]  # grid position of the junction
    end: tuple[int, int]
    center: Array  # [N, 2], from start to end, 1 m spacing
    lanes: int  # in each direction
    speed: float  # m/s
    side: str  # "parking" or "bike"

    @property
    def half_width(self) -> float:
        """Road centre to kerb (m)."""
        return self.lanes * LANE_WIDTH + SIDE_WIDTH[self.side]


@dataclass(frozen=True)
class Layout:
    """Junction centres and streets of a town, in its local frame."""

    nodes: dict[tuple[int, int], Array]
    radius: dict[tuple[int, int], float]  # from a junction's centre to its mouths (m)
    signalled: frozenset[tuple[int, int]]
    streets: tuple[Street, ...]
    round: frozenset[tuple[int, int]] = frozenset()  # roundabouts


@dataclass(frozen=True)
class _Line:
    """A whole row or column: all its streets look alike."""

    lanes: int
    speed: float
    side: str

    @property
    def half_width(self) -> float:
        return self.lanes * LANE_WIDTH + SIDE_WIDTH[self.side]


def _lines(count: int, style: TownStyle, rng: np.random.Generator) -> list[_Line]:
    """Avenues inside the grid, narrow streets at its rim."""
    result = []
    for index in range(count):
        inner = 0 < index < count - 1
        lanes = style.lanes[(index - 1) % len(style.lanes)] if inner else 1
        speed = style.fast if lanes > 1 else float(rng.choice(style.slow))
        side = "bike" if lanes > 1 else ("parking", "bike")[int(rng.integers(2))]
        result.append(_Line(lanes, speed, side))
    return result


def _grid(plan: TownPlan, rng: np.random.Generator) -> dict[tuple[int, int], Array]:
    x = np.concatenate([[0.0], np.cumsum(rng.uniform(118.0, 150.0, plan.columns - 1))])
    y = np.concatenate([[0.0], np.cumsum(rng.uniform(118.0, 150.0, plan.rows - 1))])
    return {
        (i, j): np.array([x[i], y[j]]) + rng.uniform(-8.0, 8.0, 2)
        for i in range(plan.columns)
        for j in range(plan.rows)
    }


def _bulge(points: Array, amplitude: float) -> Array:
    """A straight line moved sideways by amplitude * sin^2: an S-bend that ends as it began."""
    points = resample(points)
    phase = np.linspace(0.0, np.pi, len(points))
    direction = (points[-1] - points[0]) / np.hypot(*(points[-1] - points[0]))
    normal = np.array([-direction[1], direction[0]])
    return resample(points + normal * (amplitude * np.sin(phase) ** 2)[:, None])


def _trim(points: Array, start: float, end: float) -> Array:
    """The polyline without the parts within `start`/`end` metres of its end points."""
    from_start = np.hypot(*(points - points[0]).T)
    from_end = np.hypot(*(points - points[-1]).T)
    return resample(points[(from_start >= start) & (from_end >= end)])


def build_layout(plan: TownPlan) -> Layout:
    """The layout of a town; the same plan always gives the same one."""
    rng = np.random.default_rng(plan.seed)
    grid = _grid(plan, rng)
    vertical = _lines(plan.columns, plan.style, rng)
    horizontal = _lines(plan.rows, plan.style, rng)
    last_i, last_j = plan.columns - 1, plan.rows - 1
    corners = {(i, j) for i in (0, last_i) for j in (0, last_j)}
    nodes = {key: point for key, point in grid.items() if key not in corners}
    inner = {key for key in nodes if 0 < key[0] < last_i and 0 < key[1] < last_j}
    rim = sorted(nodes.keys() - inner)
    signalled = inner | {rim[k] for k in range(0, len(rim), 3)}
    widths = {key: max(vertical[key[0]].half_width, horizontal[key[1]].half_width) for key in nodes}
    drops, signalled, circles = _irregular(plan, inner, signalled, widths)
    radius = {
        key: widths[key] + (ROUND_MARGIN if key in circles else CORNER_MARGIN) for key in nodes
    }
    warp = find_warp(plan, np.array(list(grid.values())))
    streets = []
    for i, j in grid:
        for di, dj, line in ((1, 0, horizontal[j]), (0, 1, vertical[i])):
            a, b = (i, j), (i + di, j + dj)
            if a in nodes and b in nodes:
                amplitude = float(rng.choice([0.0, 0.0, 5.0, -5.0, 8.0, -8.0]))
                if (a, b) in drops:
                    continue
                center = _bulge(np.stack([grid[a], grid[b]]), amplitude)
                center = _trim(_bent(center, warp), radius[a], radius[b])
                streets.append(Street(a, b, center, line.lanes, line.speed, line.side))
    radii = iter(rng.permutation([18.0, 30.0, 45.0, 65.0]))
    for i, j in sorted(corners):
        a, b = (1 if i == 0 else i - 1, j), (i, 1 if j == 0 else j - 1)
        bend = float(next(radii))
        center = _bent(corner(grid[a], grid[i, j], grid[b], bend), warp)
        center = _trim(center, radius[a], radius[b])
        speed = min(horizontal[j].speed, float(np.sqrt(2.8 * bend)))
        streets.append(Street(a, b, center, 1, round(speed, 1), horizontal[j].side))
    places = {key: point if warp is None else warp(point[None])[0] for key, point in nodes.items()}
    return Layout(places, radius, frozenset(signalled), tuple(streets), frozenset(circles))


def _bent(points: Array, warp: Warp | None) -> Array:
    return points if warp is None else resample(warp(points))


def _irregular(
    plan: TownPlan, inner: set[Key], signalled: set[Key], widths: dict[Key, float]
) -> tuple[set[tuple[Key, Key]], set[Key], set[Key]]:
    """Missing streets, junctions with lights, roundabouts: what a style leaves to chance.

    A junction that lacks a street lacks only one; roundabouts lie where narrow streets meet.
    """
    style = plan.style
    rng = np.random.default_rng([plan.seed, 19])
    pairs = [((i, j), (i + di, j + dj)) for i, j in sorted(inner) for di, dj in ((1, 0), (0, 1))]
    pairs = [pair for pair in pairs if pair[1] in inner]
    drops: set[tuple[Key, Key]] = set()
    for k in rng.permutation(len(pairs)):
        used = {key for pair in drops for key in pair}
        if len(drops) < style.drops and not used & set(pairs[k]):
            drops.add(pairs[k])
    narrow = sorted(key for key in inner if widths[key] < _NARROW)
    circles = {narrow[k] for k in rng.permutation(len(narrow))[: style.roundabouts]}
    ordered = sorted(signalled - circles)
    chances = rng.random(len(ordered))
    lit = {key for key, chance in zip(ordered, chances, strict=True) if chance < style.lit}
    return drops, lit, circles
