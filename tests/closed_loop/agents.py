"""Agents with bad habits, for the tests of the closed loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from reworld_agent.baselines import ConstantVelocityAgent
from reworld_agent.compat import AgentInput, Trajectory, make_trajectory
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.types import SensorConfig, TrajectorySampling

NO_FRONT = [name for name in (*CAMERA_NAMES, "lidar_pc") if name != "cam_f0"]


class Raises(ConstantVelocityAgent):
    """Raises at its second plan."""

    plans = 0

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        self.plans += 1
        if self.plans > 1:
            raise RuntimeError("lost the way")
        return super().compute_trajectory(agent_input)


class RaisesAtOnce(ConstantVelocityAgent):
    """Raises at its first plan what cannot be printed."""

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        raise ValueError("lone \ud800 half\x00" + "x" * 100_000)


class RaisesTheUnsayable(ConstantVelocityAgent):
    """Raises what cannot even be turned into text."""

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        class Unsayable(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        raise Unsayable


class LosesItsHeading(ConstantVelocityAgent):
    """Plans one infinite heading, in its seventh plan."""

    plans = 0

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        plan = super().compute_trajectory(agent_input)
        self.plans += 1
        if self.plans == 7:
            plan.poses[4, 2] = np.inf
        return plan


class FliesAway(ConstantVelocityAgent):
    """Plans to where no number of metres is short."""

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        return make_trajectory(np.full((8, 3), 1e300), self.sampling)


class PlansAt(ConstantVelocityAgent):
    """Goes straight on at 5 m/s, in a sampling of its own."""

    def __init__(self, count: int, interval_s: float) -> None:
        super().__init__()
        self.own = TrajectorySampling(num_poses=count, interval_length=interval_s)
        self.times = interval_s * np.arange(1, count + 1)

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        poses = np.zeros((len(self.times), 3))
        poses[:, 0] = 5.0 * self.times
        return make_trajectory(poses, self.own)


class WorksInPlace(ConstantVelocityAgent):
    """Plans from its pictures, and writes into all that it is given."""

    writes = True

    def get_sensor_config(self) -> Any:
        return SensorConfig(cam_f0=True, **dict.fromkeys(NO_FRONT, False))

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        images: list[Any] = [frame.cam_f0.image for frame in agent_input.cameras]
        bright = sum(float(np.mean(image)) for image in images)
        poses = np.zeros((8, 3))
        poses[:, 0] = bright / 200 * np.arange(1, 9)
        if self.writes:
            for frame, status in zip(agent_input.cameras, agent_input.ego_statuses, strict=True):
                seen: Any = frame.cam_f0
                arrays = seen.image, seen.intrinsics, seen.sensor2lidar_rotation
                for array in (*arrays, status.ego_velocity, status.ego_pose):
                    array[:] = 0
        return make_trajectory(poses, self.sampling)


class OnlyLooks(WorksInPlace):
    """The same without writing."""

    writes = False


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
