"""Trajectories and how they are sampled, as the devkit names them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError

_TOLERANCE = 1e-10


@dataclass(eq=False)
class TrajectorySampling:
    """Sampling in time; any two of the three settings give the third.

    Attributes:
        num_poses: poses after the present one.
        time_horizon: s, to the last pose.
        interval_length: s, between poses.

    Raises:
        ValueError: fewer than two settings, or settings that contradict each other.
    """

    num_poses: int | None = None
    time_horizon: float | None = None
    interval_length: float | None = None

    def __post_init__(self) -> None:
        count, horizon, interval = self.num_poses, self.time_horizon, self.interval_length
        if count and not isinstance(count, int):
            raise ValueError(f"num_poses must be an int, not {type(count).__name__}")
        if any(
            value is not None and not 0 <= value < math.inf for value in (count, horizon, interval)
        ):
            raise ValueError(f"settings must be finite, and not negative: {self}")
        if sum(map(bool, (count, horizon, interval))) < 2:
            raise ValueError(f"two of three settings are needed to sample a trajectory: {self}")
        self.interval_length = float(interval or (horizon or 0.0) / (count or 1))
        self.time_horizon = float(horizon or (count or 0) * self.interval_length)
        steps = self.time_horizon / self.interval_length
        if not count and not self._is_multiple():
            raise ValueError(
                f"time_horizon {self.time_horizon} s must be a multiple of interval_length "
                f"{self.interval_length} s"
            )
        if count and not math.isclose(count, steps, rel_tol=1e-9, abs_tol=_TOLERANCE):
            raise ValueError(f"the settings contradict each other: {self}")
        # nuPlan truncates: 0.6 s every 0.2 s are 2 poses, for 0.6 / 0.2 is 2.9999999999999996
        self.num_poses = count or int(steps)

    def _is_multiple(self) -> bool:
        """Whether nuPlan takes the horizon for a multiple of the interval."""
        horizon, interval = self.time_horizon or 0.0, self.step_time
        rest = math.fmod(horizon, interval)
        near = (math.isclose(rest, whole, abs_tol=_TOLERANCE) for whole in (0.0, interval))
        return any(near)

    @property
    def step_time(self) -> float:
        """Time between two poses [s]."""
        return float(self.interval_length or 0.0)

    def __hash__(self) -> int:
        return hash((self.num_poses, self.time_horizon, self.interval_length))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TrajectorySampling):
            return NotImplemented
        return (
            self.num_poses == other.num_poses
            and math.isclose(self.time_horizon or 0.0, other.time_horizon or 0.0)
            and math.isclose(self.step_time, other.step_time)
        )


def _benchmark_sampling() -> TrajectorySampling:
    return TrajectorySampling(time_horizon=4, interval_length=0.5)


@dataclass
class Trajectory:
    """Poses in the ego frame (rear axle at t0, x forward, y left), without the present one.

    Attributes:
        poses: [T, 3] x, y [m], heading [rad].
        trajectory_sampling: when; 8 poses at 2 Hz by default.

    Raises:
        DataError: the shape is not [T, 3] with the T of the sampling.
    """

    poses: NDArray[Any]
    trajectory_sampling: TrajectorySampling = field(default_factory=_benchmark_sampling)

    def __post_init__(self) -> None:
        expected = (self.trajectory_sampling.num_poses, 3)
        if np.shape(self.poses) != expected:
            raise DataError(
                f"a trajectory has shape {np.shape(self.poses)}, its sampling asks for {expected}",
                "return poses [T, 3] (x m, y m, heading rad) at the times of the sampling",
            )
