"""How ego of a session moved, and where its route leads: the state of NAVSIM's `EgoStatus`."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.serving.poses import Array, planar, read_pose
from reworld_agent.scenes.synthetic.logs import COMMAND_AHEAD, COMMAND_ASIDE
from reworld_agent.scenes.synthetic.town.geometry import wrap

LEFT, STRAIGHT, RIGHT, UNKNOWN = range(4)
_KEPT_US = 10_000_000  # of the past
_SIDEWAYS = 2.0  # m/s; no vehicle moves more to its side than ahead at more than this
_FASTEST, _FARTHEST = 1e4, 1e9  # m/s, m/s² and rad/s; m: beyond, a message is damaged
_SPAN_US = 500_000  # over which a velocity that is not sent is taken


@dataclass(frozen=True, order=True)
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
    pose: Array = field(compare=False)
    velocity: Array | None = field(compare=False, default=None)
    acceleration: Array | None = field(compare=False, default=None)
    yaw_rate: float = field(compare=False, default=0.0)


def read_states(message: Any) -> list[EgoState]:
    """The states of a message `RolloutEgoTrajectory`.

    Raises:
        ValueError: a pose or a state is not finite, or none of a car on this planet, or there are
            more or fewer states than poses.
    """
    poses, dynamics = message.trajectory.poses, message.dynamic_states
    if len(dynamics) not in (0, len(poses)):
        raise ValueError(f"{len(dynamics)} dynamic states for {len(poses)} poses")
    states = []
    for index, entry in enumerate(poses):
        time_us, pose = int(entry.timestamp_us), read_pose(entry.pose)
        sent = dynamics[index] if dynamics else None
        velocity = _flat(sent, "linear_velocity")
        acceleration = _flat(sent, "linear_acceleration")
        yaw_rate = 0.0 if sent is None else float(sent.angular_velocity.z)
        if not abs(yaw_rate) < _FASTEST:
            raise ValueError(f"an angular velocity of {yaw_rate:g} rad/s")
        if not np.abs(pose[:3]).max() < _FARTHEST:
            raise ValueError(f"a pose at {pose[:3].tolist()} m")
        states.append(EgoState(time_us, pose, velocity, acceleration, yaw_rate))
    return states


def _flat(state: Any, name: str) -> Array | None:
    if state is None or not state.HasField(name):
        return None
    vector = getattr(state, name)
    found = np.array([vector.x, vector.y], np.float64)
    if not np.abs(found).max() < _FASTEST:  # also where one is not finite
        raise ValueError(f"a {name.replace('_', ' ')} of {found.tolist()}")
    return found


class Motion:
    """The states of one session, in order of time, whatever the order they came in."""

    def __init__(self) -> None:
        self._states: list[EgoState] = []

    def add(self, states: list[EgoState]) -> None:
        """Take states; of two of one time the later one stands."""
        for state in states:
            place = bisect_right(self._states, state)
            if place and self._states[place - 1].time_us == state.time_us:
                self._states[place - 1] = state
            else:
                insort(self._states, state)
        if self._states:
            oldest = self._states[-1].time_us - _KEPT_US
            while self._states[0].time_us < oldest:
                self._states.pop(0)

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
