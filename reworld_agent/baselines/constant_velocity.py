"""Straight ahead at the present speed: the weakest baseline of the benchmark."""

from __future__ import annotations

import numpy as np

from reworld_agent.baselines.sensorless import SensorlessAgent
from reworld_agent.compat import (
    AgentInput,
    Trajectory,
    TrajectorySampling,
    init_agent,
    make_trajectory,
)


class ConstantVelocityAgent(SensorlessAgent):
    """Keeps heading and speed, as the devkit's agent of this name does."""

    requires_scene = False

    def __init__(self, time_horizon: float = 4.0, interval_length: float = 0.5) -> None:
        self.sampling = TrajectorySampling(
            time_horizon=time_horizon, interval_length=interval_length
        )
        init_agent(self, self.sampling)

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        """Poses along the x axis, speed |v| [m/s] of the present frame, float32 throughout."""
        velocity = agent_input.ego_statuses[-1].ego_velocity
        speed = (velocity**2).sum(-1) ** 0.5
        steps = np.arange(1, (self.sampling.num_poses or 0) + 1, dtype=np.float32)
        poses = np.zeros((len(steps), 3), dtype=np.float32)
        poses[:, 0] = steps * np.float32(self.sampling.interval_length) * np.float32(speed)
        return make_trajectory(poses, self.sampling)
