"""The devkit's data classes under one name; each is defined in the module that it belongs to."""

from __future__ import annotations

from reworld_agent.scenes.scene import (
    NAVSIM_INTERVAL_LENGTH,
    AgentInput,
    Annotations,
    EgoStatus,
    Frame,
    Scene,
    SceneMetadata,
)
from reworld_agent.scenes.sensors import CAMERA_NAMES, Camera, Cameras, Lidar, SensorConfig
from reworld_agent.scenes.trajectory import Trajectory, TrajectorySampling

__all__ = [
    "CAMERA_NAMES",
    "NAVSIM_INTERVAL_LENGTH",
    "AgentInput",
    "Annotations",
    "Camera",
    "Cameras",
    "EgoStatus",
    "Frame",
    "Lidar",
    "Scene",
    "SceneMetadata",
    "SensorConfig",
    "Trajectory",
    "TrajectorySampling",
]
