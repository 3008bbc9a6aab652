"""A path of poses and the pose at a distance along it.

States are [K, 3] x, y [m], heading [rad], unwrapped along the path. `along` [K] is the distance
[m] from the start. Two equal vertices in a row are allowed (lanes meet there).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import kernel
from reworld_agent.pdm.world.geometry import wrap

_FIRST_DISTANCE = 1e-5  # m: keeps clear of a first segment without length


def unwrapped(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """The states with headings that do not jump by whole turns."""
    copy = states.copy()
    copy[:, 2] = np.unwrap(copy[:, 2])
    return copy


def shifted(states: NDArray[np.float64], left: float) -> NDArray[np.float64]:
    """The path moved sideways by `left` [m], vertex by vertex."""
    copy = states.copy()
    theta = states[:, 2] + np.pi / 2
    copy[:, 0] += np.cos(theta) * left
    copy[:, 1] += np.sin(theta) * left
    return copy


@kernel
def pose_at(
    states: NDArray[np.float64],
    along: NDArray[np.float64],
    distance: float,
    pose: NDArray[np.float64],
) -> None:
    """Write the pose at `distance` [m] along the path, clipped to its ends, into `pose` [3]."""
    last = len(along) - 1
    d = distance
    if d < _FIRST_DISTANCE:
        d = _FIRST_DISTANCE
    if d > along[last]:
        d = along[last]
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if along[middle] < d:
            low = middle
        else:
            high = middle
    span = along[high] - along[low]
    for i in range(3):
        value = (states[high, i] - states[low, i]) / span * (d - along[low]) + states[low, i]
        if i == 2:
            value = wrap(value)
        pose[i] = 0.0 if math.isnan(value) else value
