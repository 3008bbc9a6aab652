"""Agents with bad habits, for the tests of the closed loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from reworld_agent.baselines import ConstantVelocityAgent
from reworld_agent.compat import AgentInput, Trajectory, make_trajectory


class Raises(ConstantVelocityAgent):
    """Raises at its second plan."""

    plans = 0

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        self.plans += 1
        if self.plans > 1:
            raise RuntimeError("lost the way")
        return super().compute_trajectory(agent_input)


class PlansNothing(ConstantVelocityAgent):
    """Plans NaN."""

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        return make_trajectory(np.full((8, 3), np.nan), self.sampling)


class Teleports(ConstantVelocityAgent):
    """Is 300 m further on after half a second."""

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        poses = np.zeros((8, 3))
        poses[:, 0] = 300.0
        return make_trajectory(poses, self.sampling)


class Stands(ConstantVelocityAgent):
    """Stays where it is."""

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        return make_trajectory(np.zeros((8, 3)), self.sampling)


class Leaves(ConstantVelocityAgent):
    """Drives off to the right, faster and faster."""

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        poses = np.zeros((8, 3))
        poses[:, 0] = 8.0 * np.arange(1, 9)
        poses[:, 1] = -0.3 * np.arange(1, 9) ** 2
        poses[:, 2] = -0.08 * np.arange(1, 9)
        return make_trajectory(poses, self.sampling)


class ReturnsNone(ConstantVelocityAgent):
    """Forgets to return its second plan."""

    plans = 0

    def compute_trajectory(self, agent_input: AgentInput) -> Any:
        self.plans += 1
        return super().compute_trajectory(agent_input) if self.plans == 1 else None


class ReturnsPoses(ConstantVelocityAgent):
    """Returns poses, and not when they are."""

    def compute_trajectory(self, agent_input: AgentInput) -> Any:
        return super().compute_trajectory(agent_input).poses


class Exits(ConstantVelocityAgent):
    """Ends the program, as a script would."""

    def compute_trajectory(self, agent_input: AgentInput) -> Any:
        raise SystemExit(0)


class NoPlan(ConstantVelocityAgent):
    """Returns something else."""

    def compute_trajectory(self, agent_input: AgentInput) -> Any:
        return "left"
