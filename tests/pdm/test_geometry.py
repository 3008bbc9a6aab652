"""Boxes against shapely."""

from __future__ import annotations

import math

import numpy as np
import shapely
from shapely.affinity import rotate, translate

from reworld_agent.pdm.world.geometry import bearing, boxes_meet, principal_value, wrap


def _polygon(
    x: float, y: float, heading: float, half_length: float, half_width: float
) -> shapely.Polygon:
    box = shapely.box(-half_length, -half_width, half_length, half_width)
    return translate(rotate(box, heading, origin=(0, 0), use_radians=True), x, y)


def test_boxes_against_shapely() -> None:
    rng = np.random.default_rng(1)
    for _ in range(3000):
        a, b = rng.uniform(-math.pi, math.pi, 2)
        dx, dy = rng.uniform(-5, 5, 2)
        sizes = rng.uniform(0.1, 3.0, 4)
        boxes = (math.cos(a), math.sin(a), *sizes[:2], math.cos(b), math.sin(b), *sizes[2:])
        ours = boxes_meet.py_func(dx, dy, *boxes)
        assert ours == _polygon(0, 0, a, *sizes[:2]).intersects(_polygon(dx, dy, b, *sizes[2:]))


def test_touching_counts() -> None:
    args = (1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0)
    assert boxes_meet.py_func(2.0, 0.0, *args)
    assert not boxes_meet.py_func(2.0 + 1e-9, 0.0, *args)


def test_angles() -> None:
    for angle in (-7.0, -math.pi, 0.0, 3.0, math.pi, 9.9):
        wrapped = wrap.py_func(angle)
        assert math.isclose(math.cos(wrapped), math.cos(angle), abs_tol=1e-12)
        assert -math.pi <= wrapped <= math.pi
        assert -math.pi <= principal_value.py_func(angle) < math.pi
    zero = np.float64(0.0)
    with np.errstate(invalid="ignore"):
        assert math.isnan(bearing.py_func(zero, zero, 1.0, 0.0))
    assert math.isclose(bearing.py_func(-2.0, 0.0, 1.0, 0.0), math.pi)
