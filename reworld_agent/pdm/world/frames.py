"""What one logged frame says about the ego vehicle and the objects around it (global frame)."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import N_AGENT_TYPES, TRACK_TYPES
from reworld_agent.scenes.logs import LogFrames, load_log

_LOGS_IN_MEMORY = 4
_UNIT_TOLERANCE = 1e-14  # of a quaternion, as pyquaternion has it
_TYPE_OF_NAME = {name: i for i, name in enumerate(TRACK_TYPES)}


class Boxes(NamedTuple):
    """Objects of one frame. N objects; lengths m, speeds m/s, angles rad; global frame."""

    token: list[str]  # stable over the log
    kind: NDArray[np.int8]  # [N] index into TRACK_TYPES
    size: NDArray[np.float64]  # [N, 2] length, width
    pose: NDArray[np.float64]  # [N, 3] centre x, y, heading
    velocity: NDArray[np.float64]  # [N, 2]; zero for objects that do not move by themselves


class Moment(NamedTuple):
    """One frame of a log, checked and parsed."""

    frame: dict[str, Any]
    state: NDArray[np.float64]  # [11] ego, see `ego_state`
    boxes: Boxes


class ParsedLog:
    """A log whose frames are checked and parsed once each: neighbouring scenes share them.

    Args:
        frames: all frames, 0.5 s apart.
        path: the log's file, for messages.
    """

    def __init__(self, frames: list[dict[str, Any]], path: Path) -> None:
        self.frames = frames if isinstance(frames, LogFrames) else LogFrames(frames, path)
        self.path = path
        self._moments: dict[int, Moment] = {}

    def moments(self, first: int, last: int) -> list[Moment]:
        """Frames `first` up to but without `last`, as far as the log has them.

        Raises:
            DataError: a frame is damaged, or does not follow the one before it.
        """
        self.frames.check(first, last)
        return [self._moment(k) for k in range(max(first, 0), min(last, len(self.frames)))]

    def _moment(self, k: int) -> Moment:
        if k not in self._moments:
            frame = self.frames[k]
            state = ego_state(frame)
            self._moments[k] = Moment(frame, state, boxes(frame, state[:3]))
        return self._moments[k]


_OPEN: OrderedDict[Path, ParsedLog] = OrderedDict()


def open_log(path: Path) -> ParsedLog:
    """A log, parsed as far as earlier calls have asked; the last few stay in memory."""
    frames = load_log(path)
    known = _OPEN.pop(path, None)
    if known is None or known.frames is not frames:
        known = ParsedLog(frames, path)
    _OPEN[path] = known
    if len(_OPEN) > _LOGS_IN_MEMORY:
        _OPEN.popitem(last=False)
    return known


def ego_pose(frame: dict[str, Any]) -> NDArray[np.float64]:
    """[3] x, y [m], heading [rad] of the rear axle, global."""
    x, y = frame["ego2global_translation"][:2]
    rotation = np.asarray(frame["ego2global_rotation"], dtype=np.float64)
    square = np.dot(rotation, rotation)
    if square > 0.0 and abs(1.0 - square) >= _UNIT_TOLERANCE:
        rotation = rotation / np.sqrt(square)
    w, i, j, k = rotation
    yaw = np.arctan2(2 * (w * k - i * j), 1 - 2 * (j**2 + k**2))
    return np.array([x, y, yaw], dtype=np.float64)


def ego_state(frame: dict[str, Any]) -> NDArray[np.float64]:
    """[11] state of the rear axle from which a simulation starts (see `SceneCache.ego_state`).

    Speeds and accelerations pass through single precision, as in NAVSIM's `EgoStatus`; the
    steering angle is unknown and starts at zero.
    """
    state = np.zeros(11)
    state[:3] = ego_pose(frame)
    state[3:7] = np.array(frame["ego_dynamic_state"], dtype=np.float32)[:4]
    return state


def boxes(frame: dict[str, Any], ego: NDArray[np.float64]) -> Boxes:
    """The annotated objects of one frame, seen from the ego pose [3] (global)."""
    annotations = frame["anns"]
    tokens = list(annotations["track_tokens"])
    boxes_ego = np.asarray(annotations["gt_boxes"], dtype=np.float64).reshape(-1, 7)
    velocity_ego = np.asarray(annotations["gt_velocity_3d"], dtype=np.float64).reshape(-1, 3)
    kind = np.array([_TYPE_OF_NAME[str(name)] for name in annotations["gt_names"]], dtype=np.int8)
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    x, y, heading = boxes_ego[:, 0], boxes_ego[:, 1], boxes_ego[:, 6] + ego[2]
    pose = np.empty((len(tokens), 3))
    pose[:, 0] = x * cos - y * sin + ego[0]
    pose[:, 1] = x * sin + y * cos + ego[1]
    # Wrapped twice, as the devkit does: where a heading jumps by exactly π between two frames, the
    # last bit decides which way round it is interpolated.
    heading = np.arctan2(np.sin(heading), np.cos(heading))
    pose[:, 2] = np.arctan2(np.sin(heading), np.cos(heading))
    vx, vy = velocity_ego[:, 0], velocity_ego[:, 1]
    velocity = np.column_stack([vx * cos - vy * sin, vx * sin + vy * cos])
    velocity[kind >= N_AGENT_TYPES] = 0.0
    return Boxes(tokens, kind, boxes_ego[:, 3:5].copy(), pose, velocity)
