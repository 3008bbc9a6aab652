"""The raster against shapely, on polygons of every kind."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import kernel
from reworld_agent.pdm.world.grid import DRIVABLE, LANE, Grid, lanes_at, mark_held
from reworld_agent.pdm.world.grid_build import build_grid

ORIGIN = np.array([331_000.0, 4_690_000.0])


@kernel
def _ask(grid: Grid, role: np.int64, points: NDArray[np.float64]) -> NDArray[np.int64]:
    """[n, 2]: how many lanes hold each point, and whether any polygon of the role does."""
    out = np.empty((len(points), 2), np.int64)
    found, held = np.empty(1000, np.int64), np.empty(len(points), np.bool_)
    mark_held(grid, role, points, held)
    for i in range(len(points)):
        out[i, 0], out[i, 1] = lanes_at(grid, points[i, 0], points[i, 1], found), held[i]
    return out


def _star(rng: np.random.Generator, n: int, radius: float, center: NDArray) -> NDArray:
    angle = np.sort(rng.uniform(0, 2 * np.pi, n))
    reach = radius * rng.uniform(0.3, 1.0, n)
    ring = center + np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=1)
    return np.concatenate([ring, ring[:1]])


def _polygons(rng: np.random.Generator) -> list[list[NDArray]]:
    shapes = [[_star(rng, 40, 60.0, rng.uniform(-60, 60, 2))] for _ in range(12)]
    for radius in (20.0, 3.0, 0.4):
        outer = _star(rng, 25, radius, np.zeros(2))
        shapes.append([outer, 0.2 * outer])  # with a hole
    bow_tie = np.array([[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]], float)
    shapes += [[bow_tie + rng.uniform(-30, 30, 2)], [bow_tie, bow_tie + 40.0]]  # invalid; two parts
    shapes.append([np.array([[-400, -2], [400, -2], [400, 2.5], [-400, 2.5]], float)])  # not closed
    shapes.append([np.array([[5, 5], [5, 5], [5, 5]], float)])  # no area
    shapes.append([])  # empty
    return shapes


def _grid(shapes: list[list[NDArray]], roles: NDArray) -> Grid:
    rings = [ring + ORIGIN for shape in shapes for ring in shape]
    lengths = [len(ring) for ring in rings]
    return build_grid(
        np.concatenate(rings),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        np.concatenate([[0], np.cumsum([len(shape) for shape in shapes])]).astype(np.int32),
        roles,
        ORIGIN,
        np.zeros(2),
    )


def _even_odd(shape: list[NDArray], points: NDArray) -> NDArray:
    inside, border = np.zeros(len(points), bool), np.zeros(len(points), bool)
    for ring in shape:
        border |= np.isin(points @ [1.0, 1j], ring @ [1.0, 1j])
        if len(np.unique(ring, axis=0)) > 2:
            polygon = shapely.Polygon(ring)
            shapely.prepare(polygon)
            inside ^= shapely.contains_xy(polygon, points[:, 0], points[:, 1])
    return inside & ~border


@pytest.mark.parametrize("seed", range(4))
def test_points_against_shapely(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = _polygons(rng)
    # Through global coordinates and back, as the scorer reads them.
    shapes = [[(ring + ORIGIN) - ORIGIN for ring in shape] for shape in shapes]
    roles = rng.choice([DRIVABLE, LANE], len(shapes))
    near, far = rng.uniform(-80, 80, (4000, 2)), rng.uniform(-450, 450, (1000, 2))
    corners = np.concatenate([ring for shape in shapes for ring in shape])
    points = np.concatenate([near, far, corners, corners + rng.normal(0, 1e-6, corners.shape)])
    grid = _grid(shapes, roles)
    for role in (DRIVABLE, LANE):
        wanted = sum(
            _even_odd(shape, points).astype(int)
            for shape, own in zip(shapes, roles, strict=True)
            if own & role
        )
        answer = _ask(grid, role, points)
        if role == LANE:
            np.testing.assert_array_equal(answer[:, 0], wanted)
        np.testing.assert_array_equal(answer[:, 1], wanted > 0)


def test_the_border_is_outside() -> None:
    square = np.array([[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]], float)
    grid = _grid([[square]], np.array([DRIVABLE]))
    border = np.array([[0, 0], [2, 0], [4, 2], [4, 4], [1, 4], [0, 3]], float)
    assert not _ask(grid, DRIVABLE, border).any()
    assert _ask(grid, DRIVABLE, np.array([[1e-8, 1e-8], [4 - 1e-8, 2.0]]))[:, 1].all()
