"""The log's own future: what a person did there."""

from __future__ import annotations

from reworld_agent.baselines.sensorless import SensorlessAgent
from reworld_agent.compat import (
    AgentInput,
    Scene,
    Trajectory,
    TrajectorySampling,
    init_agent,
)


class HumanAgent(SensorlessAgent):
    """Privileged: replays the log, as the devkit's agent of this name does."""

    requires_scene = True

    def __init__(self, time_horizon: float = 4.0, interval_length: float = 0.5) -> None:
        self.sampling = TrajectorySampling(
            time_horizon=time_horizon, interval_length=interval_length
        )
        init_agent(self, self.sampling, requires_scene=True)

    def compute_trajectory(  # type: ignore[override]  # the devkit hands the scene on as well
        self, agent_input: AgentInput, scene: Scene
    ) -> Trajectory:
        """The logged future poses; raises SceneError where the log ends before."""
        return scene.get_future_trajectory(self.sampling.num_poses)
