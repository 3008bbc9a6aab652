"""What failures are counted by: command, speed, curvature, density, city."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.analysis.explanation.counterfactuals import distances
from reworld_agent.pdm.scene_cache import N_AGENT_TYPES, SceneCache

Array = NDArray[np.float64]

COMMANDS = ("left", "straight", "right", "unknown")
_NEAR_M = 40.0


def traits(cache: SceneCache, plan: Array) -> dict[str, object]:
    """What failures are counted by: command, speed, curvature, density, city.

    The curvature is the human's path's, the plan's [41, 3] where the log has no future.
    """
    ego = cache.ego_state
    human = cache.human_poses
    path = np.concatenate([np.zeros((1, 3)), human]) if np.isfinite(human).all() else plan
    length = distances(path)[-1]
    turn = np.abs(np.diff(np.unwrap(path[:, 2]))).sum()
    curvature = float(turn / length) if length > 2.0 else 0.0
    agents = cache.track_type < N_AGENT_TYPES
    apart = np.hypot(*(cache.track_pose[0, agents, :2] - ego[:2]).T)
    speed, near = float(np.hypot(ego[3], ego[4])), int((apart < _NEAR_M).sum())
    return {
        "command": COMMANDS[cache.driving_command],
        "speed_mps": speed,
        "speed": _bin(speed, (1.0, 5.0, 10.0, 15.0), "m/s"),
        "curvature_1pm": curvature,
        "curvature": _bin(curvature, (0.005, 0.02, 0.06), "1/m"),
        "objects_near": near,
        "density": _bin(near, (5, 10, 20, 40), "objects"),
        "city": cache.map_name,
    }


def _bin(value: float, edges: tuple[float, ...], unit: str) -> str:
    """Name of the bin that holds a value; names sort by size."""
    place = int(np.searchsorted(edges, value, side="right"))
    bounds = (0.0, *edges)
    if place == len(edges):
        return f"≥ {edges[-1]:g} {unit}"
    return f"{bounds[place]:g}-{bounds[place + 1]:g} {unit}"
