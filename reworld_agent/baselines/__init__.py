"""Agents to compare with: constant velocity, the log, a blind MLP, PDM-Closed, bad habits.

Importing this face imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.baselines.constant_velocity import ConstantVelocityAgent
    from reworld_agent.baselines.ego_status_mlp import EgoStatusMLPAgent
    from reworld_agent.baselines.ego_status_settings import TrainEgoStatusSettings
    from reworld_agent.baselines.ego_status_training import train_ego_status_mlp
    from reworld_agent.baselines.habits import HABITS, HabitAgent
    from reworld_agent.baselines.human import HumanAgent
    from reworld_agent.baselines.pdm_closed import PDMClosedAgent

__all__ = [
    "HABITS",
    "ConstantVelocityAgent",
    "EgoStatusMLPAgent",
    "HabitAgent",
    "HumanAgent",
    "PDMClosedAgent",
    "TrainEgoStatusSettings",
    "train_ego_status_mlp",
]
__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "constant_velocity": ["ConstantVelocityAgent"],
        "ego_status_mlp": ["EgoStatusMLPAgent"],
        "ego_status_settings": ["TrainEgoStatusSettings"],
        "ego_status_training": ["train_ego_status_mlp"],
        "habits": ["HABITS", "HabitAgent"],
        "human": ["HumanAgent"],
        "pdm_closed": ["PDMClosedAgent"],
    },
)
