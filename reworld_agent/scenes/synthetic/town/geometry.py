"""Plane geometry of the town: polylines, turns and oriented boxes.

Points are metres in the town's local frame (x east, y north); polylines are float64 [N, 2];
lateral offsets are positive to the left of the direction of travel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Array = NDArray[np.float64]


def arc_length(points: Array) -> Array:
    """Distance along the polyline of every vertex [N], 0 at the first (m)."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def at_distance(points: Array, distance: Array | float) -> Array:
    """Points [..., 2] at the given distances along the polyline; clipped to its ends."""
    s = arc_length(points)
    return np.stack(
        [np.interp(distance, s, points[:, 0]), np.interp(distance, s, points[:, 1])], -1
    )


def resample(points: Array, step: float = 1.0, exact: bool = False) -> Array:
    """The polyline with even spacing.

    Args:
        points: vertices [N, 2].
        step: spacing (m).
        exact: spacing is exactly `step` and a shorter rest is dropped; otherwise the spacing is
            adapted so that both ends stay.
    """
    length = float(arc_length(points)[-1])
    if exact:
        return at_distance(points, np.arange(0.0, length, step))
    count = max(1, round(length / step))
    return at_distance(points, np.linspace(0.0, length, count + 1))


def join(pieces: list[Array]) -> Array:
    """One polyline from consecutive pieces; repeated points at the joints are dropped."""
    points = np.concatenate(pieces)
    keep = np.concatenate([[True], np.hypot(*np.diff(points, axis=0).T) > 1e-6])
    return points[keep]


def headings(points: Array) -> Array:
    """Unwrapped direction of travel at every vertex [N] (rad)."""
    gradient = np.gradient(points, axis=0)
    return np.unwrap(np.arctan2(gradient[:, 1], gradient[:, 0]))


def offset(points: Array, lateral: float | Array) -> Array:
    """The polyline moved sideways by `lateral` (m, left positive; scalar or [N])."""
    angle = headings(points)
    normal = np.stack([-np.sin(angle), np.cos(angle)], -1)
    return points + normal * np.broadcast_to(lateral, len(points))[:, None]


def smooth(points: Array, sigma: float) -> Array:
    """Gaussian smoothing over vertices; the ends stay: the line is mirrored through them."""
    margin = min(int(4 * sigma), len(points) - 1)
    head = 2 * points[0] - points[margin:0:-1]
    tail = 2 * points[-1] - points[-2 : -margin - 2 : -1]
    padded = gaussian_filter1d(np.concatenate([head, points, tail]), sigma, axis=0)
    return padded[margin : margin + len(points)]


def turn(start: Array, start_heading: float, end: Array, end_heading: float) -> Array:
    """A cubic Bezier that is close to a circular arc where an arc fits, at 1 m spacing [N, 2]."""
    angle = abs(wrap(end_heading - start_heading))
    chord = float(np.hypot(*(end - start)))
    if angle < 0.05:
        handle = chord / 3.0
    else:
        handle = 4.0 / 3.0 * np.tan(angle / 4.0) * chord / (2.0 * np.sin(angle / 2.0))
    controls = np.stack(
        [
            start,
            start + handle * unit(start_heading),
            end - handle * unit(end_heading),
            end,
        ]
    )
    t = np.linspace(0.0, 1.0, 200)[:, None]
    weights = np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)
    return resample(weights @ controls)


def corner(start: Array, middle: Array, end: Array, radius: float) -> Array:
    """The line start-middle-end [N, 2], its corner rounded by an arc of `radius` (m)."""
    first, second = unit_of(middle - start), unit_of(end - middle)
    angle = wrap(np.arctan2(second[1], second[0]) - np.arctan2(first[1], first[0]))
    reach = radius * np.tan(abs(angle) / 2.0)
    side = np.sign(angle) * np.array([-first[1], first[0]])
    begin = middle - first * reach
    centre = begin + side * radius
    sweep = np.linspace(0.0, angle, max(8, int(radius * abs(angle))))
    spoke = begin - centre
    cos, sin = np.cos(sweep), np.sin(sweep)
    arc = centre + np.stack([cos * spoke[0] - sin * spoke[1], sin * spoke[0] + cos * spoke[1]], -1)
    return smooth(resample(join([start[None], arc, end[None]])), 3.0)


def wrap(angle: float) -> float:
    """The angle in [-pi, pi) (rad)."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def unit(angle: float) -> Array:
    """Unit vector [2] of a direction (rad)."""
    return np.array([np.cos(angle), np.sin(angle)])


def unit_of(vector: Array) -> Array:
    """The vector [2] at length 1."""
    return vector / np.hypot(*vector)


def ribbon(points: Array, left: float, right: float) -> Array:
    """Closed ring [2N, 2] between two lateral offsets of a polyline."""
    return np.concatenate([offset(points, left), offset(points, right)[::-1]])


def box_corners(boxes: Array) -> Array:
    """Corners [..., 4, 2] of boxes [..., 5] = (x, y, length, width, heading).

    In the order front left, rear left, rear right, front right.
    """
    x, y, length, width, heading = np.moveaxis(boxes, -1, 0)
    along = np.stack([length, -length, -length, length], -1) / 2
    across = np.stack([width, width, -width, -width], -1) / 2
    cos, sin = np.cos(heading)[..., None], np.sin(heading)[..., None]
    return np.stack(
        [
            x[..., None] + cos * along - sin * across,
            y[..., None] + sin * along + cos * across,
        ],
        -1,
    )


def boxes_overlap(first: Array, second: Array) -> NDArray[np.bool_]:
    """Whether boxes [..., 5] intersect, by the separating axes of both (broadcasts)."""
    first, second = np.broadcast_arrays(first, second)
    corners_a, corners_b = box_corners(first), box_corners(second)
    apart = np.zeros(first.shape[:-1], dtype=bool)
    for heading in (first[..., 4], second[..., 4]):
        for angle in (heading, heading + np.pi / 2):
            axis = np.stack([np.cos(angle), np.sin(angle)], -1)[..., None, :]
            a, b = (corners_a * axis).sum(-1), (corners_b * axis).sum(-1)
            apart |= (a.max(-1) < b.min(-1)) | (b.max(-1) < a.min(-1))
    return ~apart
