"""How ego of a session moved, and where its route leads: the state of NAVSIM's `EgoStatus`."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.serving.plans import FASTEST
from reworld_agent.closed_loop.serving.poses import Array, planar, read_pose
from reworld_agent.scenes.synthetic.logs import COMMAND_AHEAD, COMMAND_ASIDE
from reworld_agent.scenes.synthetic.town.geometry import wrap

LEFT, STRAIGHT, RIGHT, UNKNOWN = range(4)
_KEPT_US = 10_000_000  # of the past
_SIDEWAYS = 2.0  # m/s; no vehicle moves more to its side than ahead at more than this
_SPAN_US = 500_000  # over which a velocity that is not sent is taken
_MOST = 10_000  # poses of a message, points of a route
_FARTHEST = 1e6  # m; float32, which the contract has, tells 6 cm there
_HARDEST, _SPINNING = 1e3, 1e2  # m/s^2, rad/s: beyond what noise makes of a car's


@dataclass(frozen=True)
class EgoState:
    """Ego at one time.

    Attributes:
        time_us: of the simulator.
        pose: [7] of the rig in the simulator's local frame.
        velocity: [2] m/s, in the rig; None = not sent.
        acceleration: [2] m/s², in the rig; None = not sent.
        yaw_rate: rad/s.
    """

    time_us: int
    pose: Array
    velocity: Array | None = None
    acceleration: Array | None = None
    yaw_rate: float = 0.0


def read_states(message: Any) -> list[EgoState]:
    """The states of a message `RolloutEgoTrajectory`.

    Raises:
        ValueError: a pose or a state is not finite, or none that a car can have; there are more or
            fewer states than poses, or more than a second can need.
    """
    poses, dynamics = message.trajectory.poses, message.dynamic_states
    if len(poses) > _MOST:
        raise ValueError(f"{len(poses)} poses at once, more than {_MOST}")
    if len(dynamics) not in (0, len(poses)):
        raise ValueError(f"{len(dynamics)} dynamic states for {len(poses)} poses")
    states = []
    for index, entry in enumerate(poses):
        time_us, pose = int(entry.timestamp_us), read_pose(entry.pose)
        if np.abs(pose[:3]).max() > _FARTHEST:
            raise ValueError(f"a pose at {pose[:3].tolist()} m")
        sent = dynamics[index] if dynamics else None
        velocity = _flat(sent, "linear_velocity", FASTEST)
        acceleration = _flat(sent, "linear_acceleration", _HARDEST)
        yaw_rate = 0.0 if sent is None else float(sent.angular_velocity.z)
        _require("an angular velocity", abs(yaw_rate), _SPINNING)
        states.append(EgoState(time_us, pose, velocity, acceleration, yaw_rate))
    return states


def read_route(message: Any) -> Array:
    """Points [N, 2] (m, rig) of a message `Route`, rows of NaN among them.

    Raises:
        ValueError: there are more than a drive can need.
    """
    if len(message.waypoints) > _MOST:
        raise ValueError(f"{len(message.waypoints)} points, more than {_MOST}")
    points = [[point.x, point.y] for point in message.waypoints]
    return np.array(points, np.float64).reshape(-1, 2)


def _flat(state: Any, name: str, most: float) -> Array | None:
    if state is None or not state.HasField(name):
        return None
    vector = getattr(state, name)
    found = np.array([vector.x, vector.y], np.float64)
    _require(f"a {name.replace('_', ' ')}", float(np.abs(found).max()), most)
    return found


def _require(what: str, value: float, most: float) -> None:
    """Refuse a value that no car has; raises ValueError."""
    if not value <= most:  # also where it is not finite
        raise ValueError(f"{what} of {value:g}, more than {most:g}")


class Motion:
    """The states of one session, in order of time, whatever the order they came in."""

    def __init__(self) -> None:
        self._states: list[EgoState] = []

    def add(self, states: list[EgoState]) -> None:
        """Take states; of two of one time the later one stands."""
        by_time = {state.time_us: state for state in (*self._states, *states)}
        times = sorted(by_time)
        # of the last but one: a single wrong time forgets nothing
        oldest = times[-2] - _KEPT_US if len(times) > 1 else 0
        self._states = [by_time[time_us] for time_us in times if time_us >= oldest]

    def forget_after(self, time_us: int) -> bool:
        """Forget states of a later time; whether there was one."""
        place = bisect_right(self._states, time_us, key=lambda state: state.time_us)
        later = self._states[place:]
        del self._states[place:]
        return bool(later)

    def at(self, time_us: int) -> EgoState | None:
        """The last state up to a time; before all of them the first; None where there is none."""
        if not self._states:
            return None
        place = bisect_right(self._states, time_us, key=lambda state: state.time_us)
        return self._states[max(place - 1, 0)]

    def velocity(self, state: EgoState) -> Array:
        """Velocity [2] (m/s, rig): as sent, else from the poses of the half second before."""
        earlier = self.at(state.time_us - _SPAN_US)
        if state.velocity is not None:
            ahead, aside = state.velocity
            if abs(aside) > max(abs(ahead), _SIDEWAYS):  # sent in another frame than the rig's
                return np.array([float(np.hypot(ahead, aside)), 0.0])
            return state.velocity
        if earlier is None or earlier.time_us >= state.time_us:
            return np.zeros(2)
        seconds = (state.time_us - earlier.time_us) * 1e-6
        travelled = float(np.linalg.norm(state.pose[:2] - earlier.pose[:2]))
        return np.array([travelled / seconds, 0.0])

    def acceleration(self, state: EgoState) -> Array:
        """Acceleration [2] (m/s², rig): as sent, else from the velocities."""
        if state.acceleration is not None:
            return state.acceleration
        earlier = self.at(state.time_us - _SPAN_US)
        if earlier is None or earlier.time_us >= state.time_us:
            return np.zeros(2)
        seconds = (state.time_us - earlier.time_us) * 1e-6
        change = (self.velocity(state)[0] - self.velocity(earlier)[0]) / seconds
        return np.array([change, self.velocity(state)[0] * state.yaw_rate])

    def relative(self, now: EgoState, times_us: list[int]) -> NDArray[np.float32]:
        """Poses [T, 3] x, y (m), heading (rad) at some times, in the rig of `now`, as NAVSIM's."""
        x, y, heading = planar(now.pose)
        cos, sin = np.cos(heading), np.sin(heading)
        rows = []
        for time_us in times_us:
            state = self.at(time_us) or now
            dx, dy, turned = planar(state.pose) - [x, y, heading]
            rows.append([cos * dx + sin * dy, cos * dy - sin * dx, wrap(turned)])
        return np.array(rows, np.float32)


def command_of(route: Array) -> NDArray[np.int64]:
    """NAVSIM's command [4] of a route: the side it is on 20 m ahead; unknown without one.

    Args:
        route: points [N, 2] (m, rig); rows of NaN fill it up, as AlpaSim sends them. Where it
            starts further ahead, its first point counts.
    """
    points = route[np.isfinite(route).all(1)]
    index = UNKNOWN
    if len(points):
        away = np.hypot(points[:, 0], points[:, 1])
        beyond = np.flatnonzero(away >= COMMAND_AHEAD)
        aside = float(points[-1, 1])
        if len(beyond):
            last = int(beyond[0])
            aside = float(points[last, 1])
            if last:
                share = (COMMAND_AHEAD - away[last - 1]) / (away[last] - away[last - 1])
                aside = float(points[last - 1, 1] + share * (aside - points[last - 1, 1]))
        index = STRAIGHT if abs(aside) < COMMAND_ASIDE else (LEFT if aside > 0.0 else RIGHT)
    return np.eye(4, dtype=np.int64)[index]
