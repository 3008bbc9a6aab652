"""From planned poses to the 41 reference poses at 10 Hz that the tracker follows.

The planner's poses (ego frame), at whatever times it has them, become global, the ego pose at t0
goes before them, and x, y and the unwrapped heading are interpolated linearly in time. What lies
beyond 4 s is cut off; a plan that ends before stands still at its last pose, as in the devkit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.poses import interval_of
from reworld_agent.pdm.scene_cache import N_STEPS
from reworld_agent.pdm.world.geometry import TWO_PI, principal_value

STEP_S = 0.1


def _microseconds(seconds: NDArray[np.floating], time_us: int) -> NDArray[np.int64]:
    # The devkit goes from µs to s and back and truncates, which may lose a microsecond: at 25 m/s
    # these are 25 µm, more than the metrics' last digits.
    return ((seconds + time_us * 1e-6) * 1e6).astype(np.int64)


def sample_times_us(time_us: int) -> NDArray[np.int64]:
    """int64 [41]: log times [µs] of the reference poses of a scene that starts at `time_us`."""
    return np.maximum(_microseconds(np.arange(N_STEPS) * STEP_S, time_us), time_us)


def knot_times_us(time_us: int, n_poses: int, interval_s: float | None = None) -> NDArray[np.int64]:
    """int64 [n_poses + 1]: t0 and the log times [µs] of poses every `interval_s` after it.

    Raises:
        DataError: the interval is not known from the number of poses, or is no time; or two poses
            fall on the same microsecond.
    """
    interval_s = interval_of(n_poses, interval_s)
    later = _microseconds(np.arange(n_poses) * interval_s + interval_s, time_us)
    knots = np.concatenate([np.array([time_us]), later])
    if (np.diff(knots) <= 0).any():
        raise DataError(
            f"poses every {interval_s:g} s have no times of their own in µs",
            "give the seconds between two poses",
        )
    return knots


@helper
def _to_global(
    origin: NDArray[np.float64], poses: NDArray[np.float64], knots: NDArray[np.float64]
) -> None:
    """Ego-frame `poses` [L, 3] → global `knots` [L + 1, 3], headings unwrapped."""
    cos, sin = math.cos(origin[2]), math.sin(origin[2])
    knots[0, 0], knots[0, 1], knots[0, 2] = origin[0], origin[1], origin[2]
    previous, turns = origin[2], 0.0
    for i in range(len(poses)):
        x, y = poses[i, 0], poses[i, 1]
        cos_i, sin_i = math.cos(poses[i, 2]), math.sin(poses[i, 2])
        knots[i + 1, 0] = (cos * x - sin * y) + origin[0]
        knots[i + 1, 1] = (sin * x + cos * y) + origin[1]
        heading = math.atan2(sin * cos_i + cos * sin_i, cos * cos_i - sin * sin_i)
        change = heading - previous
        if abs(change) >= math.pi:
            wrapped = (change + math.pi) % TWO_PI - math.pi
            if wrapped == -math.pi and change > 0.0:
                wrapped = math.pi
            turns += wrapped - change
        knots[i + 1, 2] = heading + turns
        previous = heading


@kernel
def reference_poses(
    ego_state: NDArray[np.float64],
    poses: NDArray[np.float64],
    knot_us: NDArray[np.int64],
    sample_us: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Reference poses of N candidates.

    Args:
        ego_state: [11] global rear axle at t0 (only x, y, heading are read).
        poses: [N, L, 3] x, y [m], heading [rad] in the ego frame.
        knot_us: int64 [L + 1], `knot_times_us`.
        sample_us: int64 [S], `sample_times_us`.

    Returns:
        [N, S, 3] global poses.
    """
    n, n_samples = len(poses), len(sample_us)
    out = np.empty((n, n_samples, 3))
    knots = np.empty((poses.shape[1] + 1, 3))
    last = len(knots) - 1
    for i in range(n):
        _to_global(ego_state, poses[i], knots)
        low = 0
        for k in range(n_samples):
            time = min(sample_us[k], knot_us[last])
            while low + 1 < last and knot_us[low + 1] < time:
                low += 1
            span = float(knot_us[low + 1] - knot_us[low])
            since = float(time - knot_us[low])
            for j in range(3):
                start = knots[low, j]
                value = (knots[low + 1, j] - start) / span * since + start
                out[i, k, j] = principal_value(value) if j == 2 else value
    return out
