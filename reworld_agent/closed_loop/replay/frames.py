"""Frames of a log around an ego that is elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.simulate.bicycle import AX, AY, HEADING, VX, VY, YAW_RATE
from reworld_agent.pdm.world.ego_frame import poses_to_ego
from reworld_agent.pdm.world.frames import boxes
from reworld_agent.scenes.geometry import frame_pose
from reworld_agent.scenes.types import EgoStatus

Array = NDArray[np.float64]
FRAME, TICKS = 0.5, 5  # s and ticks of 0.1 s between two frames
HISTORY = 4  # frames that an agent is shown


def reframed(frame: dict[str, Any], state: Array) -> dict[str, Any]:
    """A frame of a log as it would say the same of an ego in another state.

    Args:
        frame: of the log.
        state: [11] of the ego, global.
    """
    seen, there = frame["anns"], boxes(frame, frame_pose(frame))
    moved = np.asarray(seen["gt_boxes"], np.float64).reshape(-1, 7).copy()
    local = poses_to_ego(there.pose, state[:3])
    moved[:, :2], moved[:, 6] = local[:, :2], np.arctan2(np.sin(local[:, 2]), np.cos(local[:, 2]))
    turned = np.asarray(seen["gt_velocity_3d"], np.float64).reshape(-1, 3).copy()
    turn = frame_pose(frame)[2] - state[HEADING]
    cos, sin = np.cos(turn), np.sin(turn)
    turned[:, :2] = turned[:, :2] @ np.array([[cos, sin], [-sin, cos]])
    half = state[HEADING] / 2
    return {
        **frame,
        "ego2global_translation": [*state[:2], *frame["ego2global_translation"][2:]],
        "ego2global_rotation": [np.cos(half), 0.0, 0.0, np.sin(half)],
        "ego_dynamic_state": [state[VX], state[VY], state[AX], state[VX] * state[YAW_RATE]],
        "anns": {**seen, "gt_boxes": moved, "gt_velocity_3d": turned},
    }


def status(frame: dict[str, Any], state: Array, pose: Array, free: bool) -> EgoStatus:
    """Of a frame; what a driven ego feels sideways is its speed times its yaw rate."""
    aside = state[VX] * state[YAW_RATE] if free else state[AY]
    return EgoStatus(
        ego_pose=pose,
        ego_velocity=np.array([state[VX], state[VY]], dtype=np.float32),
        ego_acceleration=np.array([state[AX], aside], dtype=np.float32),
        driving_command=frame["driving_command"],
    )
