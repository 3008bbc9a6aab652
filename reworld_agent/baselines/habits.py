"""Agents with a bad habit: what another agent plans, spoiled in one known way.

For evaluations: a score that means something tells such an agent from the one that it spoils, and
two scores that mean the same put them in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.baselines.sensorless import SensorlessAgent
from reworld_agent.compat import (
    AgentInput,
    SensorConfig,
    Trajectory,
    TrajectorySampling,
    init_agent,
    make_trajectory,
)
from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import did_you_mean

Array = NDArray[np.float64]
_USUAL = TrajectorySampling(time_horizon=4.0, interval_length=0.5)  # of v2's constructor
_LATE = 1.0  # s
_SWING, _PERIOD = 0.4, 2.0  # m, s
_DRIFT = 0.2  # m/s
_FAST, _SLOW = 1.3, 0.6
_LEAST_SPEED = 2.0  # m/s, below which a plan is not turned further


def _late_braking(way: Array, times: Array, speed: float) -> Array:
    """It keeps its speed for a second, whatever it plans."""
    kept: Array = np.maximum(way, speed * np.minimum(times, _LATE))
    return np.maximum.accumulate(kept)


def _hesitant(way: Array, times: Array, speed: float) -> Array:
    """It goes a second later than it plans."""
    before = np.concatenate([[0.0], way])
    later: Array = np.interp(times - _LATE, np.concatenate([[0.0], times]), before)
    return later


_WAYS: dict[str, Callable[[Array, Array, float], Array]] = {
    "hurried": lambda way, times, speed: _FAST * way,
    "slow": lambda way, times, speed: _SLOW * way,
    "late_braking": _late_braking,
    "hesitant": _hesitant,
}
_ASIDE: dict[str, Callable[[Array], Array]] = {
    "drifting": lambda times: _DRIFT * times,
    "swerving": lambda times: _SWING * np.sin(2 * np.pi * times / _PERIOD),
}
HABITS = (*_WAYS, *_ASIDE)


class HabitAgent(SensorlessAgent):
    """Another agent's plans with a bad habit.

    `hurried` and `slow` drive its path at 1.3 and 0.6 of its speed; `late_braking` keeps the
    present speed for a second before it follows the plan, `hesitant` waits a second; `drifting`
    comes off to the left by 0.2 m/s, `swerving` swings by 0.4 m in 2 s. Nothing is remembered
    between plans.

    Args:
        agent: whose plans they are.
        habit: one of HABITS.

    Raises:
        UsageError: there is no such habit.
    """

    def __init__(self, agent: Any, habit: str) -> None:
        if habit not in HABITS:
            hint = did_you_mean(habit, HABITS, f"one of {', '.join(HABITS)}", "agent.habit={}")
            raise UsageError(f"agent.habit={habit} is no habit", hint)
        init_agent(self, _USUAL, requires_scene=bool(agent.requires_scene))
        self.agent, self.habit = agent, habit
        self.requires_scene = bool(agent.requires_scene)

    def name(self) -> str:
        """The agent's own name, and the habit."""
        return f"{self.agent.name()}_{self.habit}"

    def get_sensor_config(self) -> SensorConfig:
        """Those of the agent."""
        return self.agent.get_sensor_config()

    def initialize(self) -> None:
        """Load the agent's weights."""
        self.agent.initialize()

    def compute_trajectory(self, agent_input: AgentInput, *scene: Any) -> Trajectory:
        """The agent's plan, spoiled; raises what the agent raises."""
        plan = self.agent.compute_trajectory(agent_input, *scene)
        sampling = plan.trajectory_sampling
        velocity = agent_input.ego_statuses[-1].ego_velocity
        poses = spoiled(
            np.asarray(plan.poses, np.float64),
            float(sampling.interval_length),
            float(np.hypot(velocity[0], velocity[1])),
            self.habit,
        )
        return make_trajectory(poses, sampling)


def spoiled(poses: Array, interval_s: float, speed: float, habit: str) -> Array:
    """Poses [L, 3] of a plan (ego frame, m and rad) with a habit of HABITS.

    Args:
        poses: of the plan.
        interval_s: s between them.
        speed: of the ego now (m/s).
        habit: which.
    """
    times: Array = interval_s * np.arange(1, len(poses) + 1, dtype=np.float64)
    path = np.concatenate([np.zeros((1, 3)), poses])
    way: Array = np.hypot(*np.diff(path[:, :2], axis=0).T).cumsum()
    if habit in _WAYS:
        return _along(path, np.concatenate([[0.0], way]), _WAYS[habit](way, times, speed))
    aside, shifted = _ASIDE[habit](times), poses.copy()
    shifted[:, 0] -= aside * np.sin(poses[:, 2])
    shifted[:, 1] += aside * np.cos(poses[:, 2])
    sideways = np.diff(aside, prepend=0.0)
    # where the plan begins beside the ego, its own first step says nothing of its direction
    onward = np.maximum(np.diff(way, prepend=0.0), _LEAST_SPEED * interval_s)
    shifted[:, 2] += np.arctan2(sideways, onward)
    return shifted


def _along(path: Array, arc: Array, way: Array) -> Array:
    """Poses [L, 3] at distances [L] along a path [L + 1, 3], straight on beyond its end."""
    headings = np.unwrap(path[:, 2])
    columns = (path[:, 0], path[:, 1], headings)
    found = np.stack([np.interp(way, arc, column) for column in columns], axis=-1)
    beyond = np.maximum(way - arc[-1], 0.0)
    found[:, 0] += beyond * np.cos(headings[-1])
    found[:, 1] += beyond * np.sin(headings[-1])
    return found
