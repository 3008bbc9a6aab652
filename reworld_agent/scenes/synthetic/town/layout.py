"""The plan of a town: where its junctions lie and how its streets run between them.

A town is a bent grid. Its four outer corners are bends of various radii instead of junctions; some
streets bulge; whole rows and columns are two-lane avenues or have cycle lanes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reworld_agent.scenes.synthetic.town.geometry import Array, corner, resample

LANE_WIDTH = 3.7  # m
SIDE_WIDTH = {"parking": 2.4, "bike": 1.8}  # m, between the outermost lane and the kerb
CORNER_MARGIN = 12.0  # m of kerb radius added to the half width of the widest street


@dataclass(frozen=True)
class TownPlan:
    """What makes one town differ from another."""

    city: str  # a map name of nuPlan
    version: str
    epsg: int
    origin: tuple[float, float]  # UTM coordinates of the local origin (m)
    columns: int
    rows: int
    seed: int


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


PLANS = {
    plan.city: plan
    for plan in (
        TownPlan("us-ma-boston", "9.12.1817", 32619, (329900.0, 4690000.0), 5, 5, 11),
        TownPlan("us-pa-pittsburgh-hazelwood", "9.17.1937", 32617, (587600.0, 4475100.0), 4, 4, 23),
        TownPlan("us-nv-las-vegas-strip", "9.15.1915", 32611, (664400.0, 3997600.0), 4, 4, 37),
        TownPlan("sg-one-north", "9.17.1964", 32648, (365000.0, 143700.0), 3, 3, 41),
    )
}


@dataclass(frozen=True)
class _Line:
    """A whole row or column: all its streets look alike."""

    lanes: int
    speed: float
    side: str

    @property
    def half_width(self) -> float:
        return self.lanes * LANE_WIDTH + SIDE_WIDTH[self.side]


def _lines(count: int, rng: np.random.Generator) -> list[_Line]:
    """Avenues inside the grid, narrow streets at its rim."""
    result = []
    for index in range(count):
        inner = 0 < index < count - 1
        lanes = 2 if inner and (index % 2 == 1) else 1
        speed = 11.5 if lanes == 2 else float(rng.choice([8.5, 9.5, 10.5]))
        side = "bike" if lanes == 2 else ("parking", "bike")[int(rng.integers(2))]
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
    vertical, horizontal = _lines(plan.columns, rng), _lines(plan.rows, rng)
    last_i, last_j = plan.columns - 1, plan.rows - 1
    corners = {(i, j) for i in (0, last_i) for j in (0, last_j)}
    nodes = {key: point for key, point in grid.items() if key not in corners}
    radius = {
        key: max(vertical[key[0]].half_width, horizontal[key[1]].half_width) + CORNER_MARGIN
        for key in nodes
    }
    streets = []
    for i, j in grid:
        for di, dj, line in ((1, 0, horizontal[j]), (0, 1, vertical[i])):
            a, b = (i, j), (i + di, j + dj)
            if a in nodes and b in nodes:
                amplitude = float(rng.choice([0.0, 0.0, 5.0, -5.0, 8.0, -8.0]))
                center = _trim(
                    _bulge(np.stack([grid[a], grid[b]]), amplitude), radius[a], radius[b]
                )
                streets.append(Street(a, b, center, line.lanes, line.speed, line.side))
    radii = iter(rng.permutation([18.0, 30.0, 45.0, 65.0]))
    for i, j in sorted(corners):
        a, b = (1 if i == 0 else i - 1, j), (i, 1 if j == 0 else j - 1)
        bend = float(next(radii))
        center = _trim(corner(grid[a], grid[i, j], grid[b], bend), radius[a], radius[b])
        speed = min(horizontal[j].speed, float(np.sqrt(2.8 * bend)))
        streets.append(Street(a, b, center, 1, round(speed, 1), horizontal[j].side))
    inner = {key for key in nodes if 0 < key[0] < last_i and 0 < key[1] < last_j}
    rim = sorted(nodes.keys() - inner)
    signalled = inner | {rim[k] for k in range(0, len(rim), 3)}
    return Layout(nodes, radius, frozenset(signalled), tuple(streets))
