"""The built-in host: NAVSIM data to scenes and agent inputs, without the devkit or torch.

Importing this face imports nothing. Agents take these names from `reworld_agent.compat`, which
gives the devkit's own where it is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.scenes.filter import SceneFilter
    from reworld_agent.scenes.loader import SceneLoader
    from reworld_agent.scenes.logs import load_log
    from reworld_agent.scenes.scene import AgentInput, Annotations, EgoStatus, Frame, Scene
    from reworld_agent.scenes.sensors import Camera, Cameras, Lidar, SensorConfig
    from reworld_agent.scenes.splits import DataRoots, resolve_split
    from reworld_agent.scenes.trajectory import Trajectory, TrajectorySampling

__all__ = [
    "AgentInput",
    "Annotations",
    "Camera",
    "Cameras",
    "DataRoots",
    "EgoStatus",
    "Frame",
    "Lidar",
    "Scene",
    "SceneFilter",
    "SceneLoader",
    "SensorConfig",
    "Trajectory",
    "TrajectorySampling",
    "load_log",
    "resolve_split",
]
__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "filter": ["SceneFilter"],
        "loader": ["SceneLoader"],
        "logs": ["load_log"],
        "scene": ["AgentInput", "Annotations", "EgoStatus", "Frame", "Scene"],
        "sensors": ["Camera", "Cameras", "Lidar", "SensorConfig"],
        "splits": ["DataRoots", "resolve_split"],
        "trajectory": ["Trajectory", "TrajectorySampling"],
    },
)
