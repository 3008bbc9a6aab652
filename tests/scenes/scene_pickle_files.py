"""Synthetic scenes as NAVSIM v2 writes them, from the frames of a log, without the devkit.

The pickles name nuPlan's classes; here these are empty stand-ins of the same names.
"""

from __future__ import annotations

import enum
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from reworld_agent.pdm.scene_cache import TRACK_TYPES
from reworld_agent.pdm.world.frames import boxes, ego_state
from reworld_agent.scenes.sensors import CAMERA_NAMES

_STATE = "nuplan.common.actor_state"
_CLASSES = {
    f"{_STATE}.agent": ("Agent",),
    f"{_STATE}.static_object": ("StaticObject",),
    f"{_STATE}.oriented_box": ("OrientedBox",),
    f"{_STATE}.scene_object": ("SceneObjectMetadata",),
    f"{_STATE}.state_representation": ("StateSE2", "StateVector2D"),
    f"{_STATE}.tracked_objects": ("TrackedObjects",),
    "nuplan.common.maps.maps_datatypes": ("TrafficLightStatuses", "TrafficLightStatusData"),
    "nuplan.planning.simulation.observation.observation_type": ("DetectionsTracks",),
}


class NuPlan:
    """The stand-ins, importable while a test writes its pickles."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.classes: dict[str, Any] = {}
        for module, names in _CLASSES.items():
            self._add(monkeypatch, module, {name: type(name, (), {}) for name in names})
        members = [(name.upper(), number) for number, name in enumerate(TRACK_TYPES)]
        types = f"{_STATE}.tracked_objects_types"
        self._add(
            monkeypatch, types, {"TrackedObjectType": enum.Enum("TrackedObjectType", members)}
        )
        name, light_names = "TrafficLightStatusType", {"GREEN": 0, "YELLOW": 1, "RED": 2}
        self._add(
            monkeypatch,
            "nuplan.common.maps.maps_datatypes",
            {name: enum.IntEnum(name, light_names)},
        )

    def _add(self, monkeypatch: pytest.MonkeyPatch, name: str, content: dict[str, Any]) -> None:
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            path = ".".join(parts[:end])
            if path not in sys.modules:
                monkeypatch.setitem(sys.modules, path, ModuleType(path))
        for key, value in content.items():
            value.__module__, value.__qualname__ = name, key
            setattr(sys.modules[name], key, value)
            self.classes[key] = value

    def make(self, name: str, **fields: Any) -> Any:
        """An instance with these fields."""
        found = self.classes[name]()
        vars(found).update(fields)
        return found


def write_scene_pickle(
    nuplan: NuPlan,
    folder: Path,
    frames: list[dict[str, Any]],
    now: int,
    token: str,
    shift: tuple[float, float] = (0.0, 0.0),
    cameras: tuple[str, ...] = (),
) -> Path:
    """Frame `now` of a log as a synthetic scene.

    Args:
        nuplan: the stand-ins.
        folder: where `<token>.pkl` goes.
        frames: of the log, four before and eight after `now` at least.
        now: number of the frame at t0.
        token: of the synthetic scene.
        shift: m by which the ego is moved along x and y of the map.
        cameras: names such as cam_f0 that have an image, `<token>/<camera>/<number>.jpg`.
    """
    history = frames[now - 3 : now + 1]
    content = {
        "scene_metadata": {
            "log_name": history[-1]["log_name"],
            "scene_token": token,
            "map_name": history[-1]["map_location"],
            "initial_token": token,
            "num_history_frames": 4,
            "num_future_frames": 0,
            "corresponding_original_scene": history[-1]["token"],
            "corresponding_original_initial_token": frames[now - 8]["token"] if now > 7 else "",
        },
        "frames": [
            {**_frame(frame, token, shift), "camera_dict": _cameras(token, cameras, number)}
            for number, frame in enumerate(history)
        ],
        "extended_traffic_light_data": [
            _lights(nuplan, frame) for frame in frames[now + 1 : now + 9]
        ],
        "extended_detections_tracks": [
            _tracks(nuplan, frame) for frame in frames[now + 1 : now + 9]
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{token}.pkl"
    path.write_bytes(pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL))
    return path


def _frame(frame: dict[str, Any], token: str, shift: tuple[float, float]) -> dict[str, Any]:
    state, annotations = ego_state(frame), frame["anns"]
    moved = np.array(annotations["gt_boxes"], np.float64).reshape(-1, 7).copy()
    cos, sin = np.cos(state[2]), np.sin(state[2])
    moved[:, 0] -= cos * shift[0] + sin * shift[1]
    moved[:, 1] -= cos * shift[1] - sin * shift[0]
    return {
        "token": token,
        "timestamp": frame["timestamp"],
        "roadblock_ids": frame["roadblock_ids"],
        "traffic_lights": frame["traffic_lights"],
        "annotations": {
            "boxes": moved,
            "names": annotations["gt_names"],
            "velocity_3d": annotations["gt_velocity_3d"],
            "instance_tokens": annotations["instance_tokens"],
            "track_tokens": annotations["track_tokens"],
        },
        "ego_status": {
            "ego_pose": state[:3] + np.array([*shift, 0.0]),
            "ego_velocity": state[3:5].astype(np.float32),
            "ego_acceleration": state[5:7].astype(np.float32),
            "driving_command": frame["driving_command"],
            "in_global_frame": True,
        },
        "lidar_path": None,
    }


def _cameras(token: str, names: tuple[str, ...], number: int) -> dict[str, dict[str, Any]]:
    """All cameras of a frame; those that are not in `names` are empty."""
    calibration = {
        "sensor2lidar_rotation": np.eye(3),
        "sensor2lidar_translation": np.zeros(3),
        "cam_intrinsic": np.eye(3),
        "distortion": np.zeros(5),
    }
    return {
        camera: {"data_path": f"{token}/{camera}/{number}.jpg", **calibration}
        if camera in names
        else {}
        for camera in CAMERA_NAMES
    }


def _tracks(nuplan: NuPlan, frame: dict[str, Any]) -> Any:
    found = boxes(frame, ego_state(frame)[:3])
    kinds = list(nuplan.classes["TrackedObjectType"])
    objects = []
    for k, name in enumerate(found.token):
        x, y, heading = found.pose[k].tolist()
        length, width = found.size[k].tolist()
        center = nuplan.make("StateSE2", x=x, y=y, heading=heading)
        speed = {"_x": found.velocity[k, 0], "_y": found.velocity[k, 1]}
        objects.append(
            nuplan.make(
                "Agent" if found.kind[k] < 3 else "StaticObject",
                _metadata=nuplan.make("SceneObjectMetadata", track_token=name),
                _tracked_object_type=kinds[found.kind[k]],
                _box=nuplan.make("OrientedBox", _center=center, _length=length, _width=width),
                _velocity=nuplan.make("StateVector2D", **speed),
            )
        )
    inner = nuplan.make("TrackedObjects", tracked_objects=objects)
    return nuplan.make("DetectionsTracks", tracked_objects=inner)


def _lights(nuplan: NuPlan, frame: dict[str, Any]) -> Any:
    status = nuplan.classes["TrafficLightStatusType"]
    lights = [
        nuplan.make(
            "TrafficLightStatusData",
            status=status.RED if red else status.GREEN,
            lane_connector_id=lane,
        )
        for lane, red in frame["traffic_lights"]
    ]
    return nuplan.make("TrafficLightStatuses", traffic_lights=lights)
