"""How people drive, and which plans lie outside: speed, reversing, lateral jerk.

Shapes: P plans, L waypoints (x m, y m, heading rad; ego frame at t0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_MARGIN = 0.1  # of the range of people, on both sides


def motion(plans: Array, interval_s: float) -> dict[str, Array]:
    """Of plans [P, L, 3] by name, [P] each.

    `speed_mps` is the highest, `forward_mps` the lowest along the heading (below 0: reversing),
    `lateral_jerk_mps3` the largest by amount, of speed times yaw rate.
    """
    start = np.zeros_like(plans[:, :1])
    poses = np.concatenate([start, plans], axis=1)
    steps = np.diff(poses[..., :2], axis=1) / interval_s
    heading = np.unwrap(poses[..., 2], axis=1)
    middle = (heading[:, 1:] + heading[:, :-1]) / 2
    forward = steps[..., 0] * np.cos(middle) + steps[..., 1] * np.sin(middle)
    lateral = forward * np.diff(heading, axis=1) / interval_s
    jerk = np.abs(np.diff(lateral, axis=1)) / interval_s
    return {
        "speed_mps": np.linalg.norm(steps, axis=-1).max(axis=1),
        "forward_mps": forward.min(axis=1),
        "lateral_jerk_mps3": jerk.max(axis=1, initial=0.0),
    }


@dataclass(frozen=True)
class Envelope:
    """The range of each motion in which people drive: (lowest, highest) by name."""

    ranges: dict[str, tuple[float, float]]

    @classmethod
    def of(cls, experts: Array, interval_s: float) -> Envelope:
        """Of the plans [P, L, 3] that people drove, a tenth of the range wider on both sides."""
        ranges = {}
        for name, values in motion(experts, interval_s).items():
            low, high = float(values.min()), float(values.max())
            room = _MARGIN * (high - low)
            ranges[name] = (low - room, high + room)
        return cls(ranges)

    def outside(self, plans: Array, interval_s: float) -> dict[str, Array]:
        """By name 1.0 for plans outside of a range, and `any` of any; [P] each."""
        found = {
            name: ((values < self.ranges[name][0]) | (values > self.ranges[name][1])).astype(float)
            for name, values in motion(plans, interval_s).items()
        }
        return {**found, "any": np.max(list(found.values()), axis=0)}
