"""Agents to compare with: constant velocity, the human's log, and an MLP that sees no image."""

from __future__ import annotations

from reworld_agent.baselines.constant_velocity import ConstantVelocityAgent
from reworld_agent.baselines.ego_status_mlp import EgoStatusMLPAgent
from reworld_agent.baselines.human import HumanAgent

__all__ = ["ConstantVelocityAgent", "EgoStatusMLPAgent", "HumanAgent"]
