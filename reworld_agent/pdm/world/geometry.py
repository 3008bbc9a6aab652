"""The ego vehicle's measures, angles, boxes and segments in the plane.

Corner order everywhere: front left, rear left, rear right, front right.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper

# nuPlan's Pacifica [m].
WIDTH = 1.1485 * 2.0
LENGTH = 4.049 + 1.127
WHEEL_BASE = 3.089
HALF_WIDTH = WIDTH / 2.0
HALF_LENGTH = LENGTH / 2.0
REAR_AXLE_TO_CENTER = HALF_LENGTH - 1.127
RADIUS = math.hypot(HALF_LENGTH, HALF_WIDTH)

TWO_PI = 2.0 * math.pi
AHEAD_ANGLE = math.radians(30.0)
BEHIND_ANGLE = math.radians(150.0)


@helper
def wrap(angle: float) -> float:
    """Angle [rad] in [-π, π]."""
    if -math.pi <= angle <= math.pi:
        return angle
    return math.atan2(math.sin(angle), math.cos(angle))


@helper
def principal_value(angle: float) -> float:
    """Angle [rad] in [-π, π)."""
    return (angle + math.pi) % TWO_PI - math.pi


@helper
def offset(x: float, y: float, heading: float, lon: float, lat: float) -> tuple[float, float]:
    """Point `lon` [m] ahead and `lat` [m] to the left of the pose (x, y, heading)."""
    left = heading + math.pi / 2.0
    return (
        x + (lat * math.cos(left) + lon * math.cos(heading)),
        y + (lat * math.sin(left) + lon * math.sin(heading)),
    )


def box_meets_box(
    dx: float,
    dy: float,
    cos_a: float,
    sin_a: float,
    half_length_a: float,
    half_width_a: float,
    cos_b: float,
    sin_b: float,
    half_length_b: float,
    half_width_b: float,
) -> bool:
    """Whether two closed boxes meet (separating axes); touching counts.

    Args:
        dx, dy: centre of b minus centre of a [m].
        cos_*, sin_*: heading of the box.
        half_length_*, half_width_*: half extents [m].
    """
    cos_ab = abs(cos_a * cos_b + sin_a * sin_b)
    sin_ab = abs(cos_a * sin_b - sin_a * cos_b)
    if (
        abs(dx * cos_a + dy * sin_a)
        > half_length_a + half_length_b * cos_ab + half_width_b * sin_ab
    ):
        return False
    if abs(dy * cos_a - dx * sin_a) > half_width_a + half_length_b * sin_ab + half_width_b * cos_ab:
        return False
    if (
        abs(dx * cos_b + dy * sin_b)
        > half_length_b + half_length_a * cos_ab + half_width_a * sin_ab
    ):
        return False
    return (
        abs(dy * cos_b - dx * sin_b)
        <= half_width_b + half_length_a * sin_ab + half_width_a * cos_ab
    )


boxes_meet = helper(box_meets_box)


@helper
def bearing(dx: float, dy: float, cos: float, sin: float) -> float:
    """Unsigned angle [rad] between the heading (cos, sin) and the vector (dx, dy).

    NaN for the zero vector and where rounding lifts the cosine above one, as in the devkit: such
    an object is neither ahead nor behind.
    """
    norm = math.sqrt(dx * dx + dy * dy)
    cosine = cos * (dx / norm) + sin * (dy / norm)
    return math.acos(cosine) if -1.0 <= cosine <= 1.0 else math.nan


@helper
def square_distance(
    x: float, y: float, ax: float, ay: float, bx: float, by: float
) -> tuple[float, float]:
    """Squared distance [m²] of (x, y) to the segment a-b, and where on it: 0 … 1."""
    ux, uy = bx - ax, by - ay
    square = ux * ux + uy * uy
    share = 0.0
    if square > 0.0:
        share = min(max(((x - ax) * ux + (y - ay) * uy) / square, 0.0), 1.0)
    dx, dy = x - ax - share * ux, y - ay - share * uy
    return dx * dx + dy * dy, share


@helper
def distance_to_segment(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Distance [m] of the point (x, y) to the closed segment a-b."""
    ux, uy = bx - ax, by - ay
    square = ux * ux + uy * uy
    share = 0.0
    if square > 0.0:
        share = min(max(((x - ax) * ux + (y - ay) * uy) / square, 0.0), 1.0)
    return math.hypot(x - ax - share * ux, y - ay - share * uy)


def half_extents(size: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T, 2] length, width [m] → half of each, never negative."""
    return np.abs(size) / 2.0
