"""How the ego drives: the scorer's own tracker and bicycle, 0.1 s after 0.1 s.

States [11] are those of `pdm.simulate.bicycle`: rear axle, global frame.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.pdm.poses import check_poses, interval_of
from reworld_agent.pdm.simulate.controlled import drive_controlled
from reworld_agent.pdm.simulate.sampling import knot_times_us, reference_poses, sample_times_us
from reworld_agent.pdm.simulate.tracker import N_REFERENCE, simulate

Array = NDArray[np.float64]
LONGEST = N_REFERENCE * 0.1  # s that a plan is followed without another one
FASTEST = 60.0  # m/s between two poses of a plan; beyond, it teleports
_MOST_ACCELERATION, _MOST_STEERING = 8.0, np.pi / 3  # m/s^2, rad


class Control(NamedTuple):
    """What a driver does with pedals and wheel."""

    acceleration: float  # m/s^2
    steering: float  # rad, of the front wheels; left is positive

    def followed(self, state: Array, ticks: int) -> Array:
        """States [ticks + 1, 11] of an ego under this control; row 0 is `state`."""
        driven: Array = drive_controlled(state, self.acceleration, self.steering, ticks)
        return driven


class Plan(NamedTuple):
    """Where an agent wants to go, from where it was when it planned."""

    state: Array  # [11] then
    time_us: int  # then
    poses: Array  # [L, 3] x, y (m), heading (rad); ego frame of `state`
    interval_s: float

    def followed(self, state: Array, time_us: int) -> Array:
        """States [41, 11] of an ego that follows the plan from a state on; row 0 is that state.

        Args:
            state: [11] at `time_us`.
            time_us: not before the plan's own. Where the plan has ended it stands at its end.
        """
        knots = knot_times_us(self.time_us, len(self.poses), self.interval_s)
        samples = sample_times_us(time_us)
        reference = reference_poses(self.state, self.poses[None], knots, samples)
        driven: Array = simulate(state, reference)[0]
        return driven

    def points(self) -> Array:
        """Its points [L, 2], global (m)."""
        cos, sin = np.cos(self.state[2]), np.sin(self.state[2])
        x, y = self.poses[:, 0], self.poses[:, 1]
        return np.stack([x * cos - y * sin, x * sin + y * cos], -1) + self.state[:2]


def read_action(action: Any) -> Array | Control:
    """Poses [L, 3] of a plan, or what is done with pedals and wheel.

    Args:
        action: a `Trajectory`, an array of poses [L, 3], or (acceleration, steering).

    Raises:
        DataError: it is none of these, is not finite, or asks for more than FASTEST.
    """
    if isinstance(action, tuple) and len(action) == 2:
        return _control(action)
    poses = check_poses(np.asarray(_poses(action))[None], "", interval_of_action(action))[0]
    _refuse_teleports(poses, interval_of_action(action))
    return poses


def interval_of_action(action: Any) -> float:
    """Seconds between the poses of a plan."""
    sampling = getattr(action, "trajectory_sampling", None)
    given = None if sampling is None else float(sampling.interval_length)
    return interval_of(len(_poses(action)), given)


def _poses(action: Any) -> Array:
    try:
        poses = np.asarray(getattr(action, "poses", action), np.float64)
    except (TypeError, ValueError, RuntimeError) as error:  # the last: a tensor with a gradient
        raise DataError(f"a {type(action).__name__} is no plan ({error})", _GIVE) from error
    if poses.ndim != 2 or poses.shape[1] != 3:
        raise DataError(f"a plan has shape {list(poses.shape)}, not [L, 3]", _GIVE)
    return poses


_GIVE = "give poses [L, 3] (x m, y m, heading rad, ego frame), or (acceleration, steering)"


def _control(action: tuple[Any, ...]) -> Control:
    try:
        acceleration, steering = (float(value) for value in action)
    except (TypeError, ValueError) as error:
        raise DataError(f"{action} is no (acceleration, steering)", _GIVE) from error
    if not (np.isfinite(acceleration) and np.isfinite(steering)):
        raise DataError(f"(acceleration, steering) = {action} is not finite", _GIVE)
    return Control(
        float(np.clip(acceleration, -_MOST_ACCELERATION, _MOST_ACCELERATION)),
        float(np.clip(steering, -_MOST_STEERING, _MOST_STEERING)),
    )


def _refuse_teleports(poses: Array, interval_s: float) -> None:
    knots = np.concatenate([np.zeros((1, 2)), poses[:, :2]])
    speed = np.hypot(*np.diff(knots, axis=0).T) / interval_s
    if speed.max() > FASTEST:
        k = int(speed.argmax())
        raise DataError(
            f"the plan teleports: {speed[k] * interval_s:.6g} m within {interval_s:g} s "
            f"before its pose {k}",
            f"plan at most {FASTEST:g} m/s",
        )
