"""Who is in the way: the nearest body in the corridor that somebody's path sweeps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.town.geometry import Array

LOOK_AHEAD = np.arange(0.0, 55.0, 3.0)  # m before the front bumper
SIDE_GAP = 0.35  # m, beside one's own body that must be free
WALKERS_AHEAD = (0.0, 0.7, 1.4, 2.1)  # s: people count where they soon will be, too
WALKER_RADIUS = 0.35  # m
NOBODY = 200.0  # m


class Discs(NamedTuple):
    """Bodies as discs: three along every vehicle, then people now and soon."""

    xy: Array  # [C, 2]
    radius: Array  # [C]
    velocity: Array  # [C, 2], of vehicles; people count as standing
    owner: NDArray[np.int_]  # [C] vehicle, -1 for people


def make_discs(
    center: Array, heading: Array, speed: Array, half_width: Array, reach: Array, people: Array
) -> Discs:
    """The discs of N vehicles and K people.

    Args:
        center: [N, 2] reference points; heading [N], speed [N], half_width [N].
        reach: [N, 3] where on its axis a vehicle's discs lie (m from the reference point).
        people: [K, 4] x, y, heading, speed.
    """
    direction = units(heading)
    bodies = center[:, None] + reach[..., None] * direction[:, None]
    strides = people[:, 3:] * units(people[:, 2])
    soon = [people[:, :2] + ahead * strides for ahead in WALKERS_AHEAD]
    on_foot = len(people) * len(soon)
    return Discs(
        np.concatenate([bodies.reshape(-1, 2), *soon]),
        np.concatenate([np.repeat(half_width, 3), np.full(on_foot, WALKER_RADIUS)]),
        np.concatenate([np.repeat(speed[:, None] * direction, 3, 0), np.zeros((on_foot, 2))]),
        np.concatenate([np.repeat(np.arange(len(center)), 3), np.full(on_foot, -1)]),
    )


def find_leaders(
    points: Array, heading: Array, half_width: Array, discs: Discs
) -> tuple[Array, Array]:
    """The free distance before each front bumper, and how fast its end moves away.

    Args:
        points: [N, L, 2] of the N paths, LOOK_AHEAD from the front bumpers.
        heading: [N, L] of the paths there.
        half_width: [N] of the vehicles.

    Returns:
        Distances [N] (m; NOBODY where the way is free) and speeds along the path [N] (m/s).
    """
    index = np.arange(len(points))
    dx = discs.xy[None, :, None, 0] - points[:, None, :, 0]  # [N, C, L]
    dy = discs.xy[None, :, None, 1] - points[:, None, :, 1]
    nearest = (dx * dx + dy * dy).argmin(-1)[..., None]  # [N, C, 1]
    dx, dy = np.take_along_axis(dx, nearest, 2)[..., 0], np.take_along_axis(dy, nearest, 2)[..., 0]
    nearest = nearest[..., 0]
    angle = np.take_along_axis(heading, nearest, 1)
    cos, sin = np.cos(angle), np.sin(angle)
    along, across = dx * cos + dy * sin, np.abs(dy * cos - dx * sin)
    distance = LOOK_AHEAD[nearest] + along - discs.radius
    clear = half_width[:, None] + discs.radius + SIDE_GAP
    blocks = (across < clear) & (distance + discs.radius > -0.5) & (np.abs(along) < 4.0)
    blocks &= discs.owner != index[:, None]
    distance = np.where(blocks, distance, NOBODY)
    first = distance.argmin(1)
    vx, vy = discs.velocity[first].T
    away = vx * cos[index, first] + vy * sin[index, first]
    return distance[index, first], np.maximum(away, 0.0)


def units(angles: Array) -> Array:
    """Unit vectors [..., 2]."""
    return np.stack([np.cos(angles), np.sin(angles)], -1)
