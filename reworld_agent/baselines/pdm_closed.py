"""PDM-Closed (Dauner et al. 2023): rule-based, and told where everybody is. An upper bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from reworld_agent.baselines.sensorless import SensorlessAgent
from reworld_agent.compat import (
    AgentInput,
    Scene,
    Trajectory,
    TrajectorySampling,
    init_agent,
    make_trajectory,
)
from reworld_agent.core.errors import ConfigError
from reworld_agent.pdm.cache_io.build import N_PAST, build_from_moments
from reworld_agent.pdm.world.ego_frame import poses_to_ego
from reworld_agent.pdm.world.frames import Moment, boxes
from reworld_agent.scenes.maps.city import CityMap


class PDMClosedAgent(SensorlessAgent):
    """Privileged: sees boxes, lights, route and map of the present, and nothing of the future.

    The planner is the scorer's own reference; it is new in every scene, as there.
    """

    requires_scene = True

    def __init__(self) -> None:
        self.sampling = TrajectorySampling(time_horizon=4.0, interval_length=0.1)
        init_agent(self, self.sampling, requires_scene=True)

    def compute_trajectory(  # type: ignore[override]  # privileged agents get the scene as well
        self, agent_input: AgentInput, scene: Scene
    ) -> Trajectory:
        """The proposal that PDM-Closed prefers, 40 poses at 10 Hz.

        Raises:
            SceneError: the scene has no usable route or no road nearby.
            ConfigError: the map is that of the devkit.
        """
        city = scene.map_api
        if not isinstance(city, CityMap):
            raise ConfigError(
                "agent=pdm_closed reads the maps of the built-in host", "set REWORLD_HOST=builtin"
            )
        count = scene.scene_metadata.num_history_frames
        past = [_moment(scene, k) for k in range(max(count - N_PAST, 0), count)]
        cache = build_from_moments(past, past[-1:], city)
        poses = poses_to_ego(cache.pdm_closed_poses[1:], past[-1].state[:3])
        poses[:, 2] = (poses[:, 2] + np.pi) % (2 * np.pi) - np.pi
        return make_trajectory(poses, self.sampling)


def _moment(scene: Scene, number: int) -> Moment:
    """A frame of a scene as the scorer reads those of logs."""
    frame, names = scene.frames[number], scene.scene_metadata
    ego, seen = frame.ego_status, frame.annotations
    state = np.zeros(11)
    state[:3] = ego.ego_pose
    state[3:5], state[5:7] = ego.ego_velocity, ego.ego_acceleration
    logged: dict[str, Any] = {
        "token": frame.token,
        "timestamp": frame.timestamp,
        "log_name": names.log_name,
        "map_location": names.map_name,
        "roadblock_ids": frame.roadblock_ids,
        "traffic_lights": frame.traffic_lights,
        "driving_command": ego.driving_command,
        "anns": {
            "gt_boxes": seen.boxes,
            "gt_names": seen.names,
            "gt_velocity_3d": seen.velocity_3d,
            "track_tokens": seen.track_tokens,
        },
    }
    return Moment(logged, state, boxes(logged, state[:3]))
