"""Bending a grid: smooth maps of the plane that keep streets apart and junctions upright enough."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reworld_agent.scenes.synthetic.town.geometry import Array
from reworld_agent.scenes.synthetic.town.plans import TownPlan

Warp = Callable[[Array], Array]  # points [N, 2] of the straight grid -> points [N, 2] of the town
WAVE, WAVE_LENGTH = 10.0, 230.0  # m; junctions keep more than 59 degrees
INNER_RADIUS = 260.0  # m of the innermost arc of a fan
SHEAR = 0.34  # 71 degrees between the streets


def find_warp(plan: TownPlan, grid: Array) -> Warp | None:
    """The map of a town's style; None where the grid stays as it is.

    Args:
        plan: its style names the map, its seed gives the phases of waves.
        grid: junctions [N, 2] of the straight grid.
    """
    if not plan.style.warp:
        return None
    phases = np.random.default_rng([plan.seed, 23]).uniform(0.0, 2 * np.pi, 2)
    low, high = grid.min(axis=0), grid.max(axis=0)
    middle = INNER_RADIUS + (high[1] - low[1]) / 2

    def waves(points: Array) -> Array:
        other = points[:, ::-1] * (2 * np.pi / WAVE_LENGTH) + phases
        return points + WAVE * np.sin(other)

    def fan(points: Array) -> Array:
        """Rows become arcs, columns rays."""
        angle = (points[:, 0] - (low[0] + high[0]) / 2) / middle
        radius = INNER_RADIUS + points[:, 1] - low[1]
        return np.stack([radius * np.sin(angle), radius * np.cos(angle)], -1)

    def skew(points: Array) -> Array:
        return points + np.stack([SHEAR * points[:, 1], np.zeros(len(points))], -1)

    return {"waves": waves, "fan": fan, "skew": skew}[plan.style.warp]
