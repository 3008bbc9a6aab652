"""What an agent may see (`AgentInput`) and the whole scene (`Scene`), built from frame dicts.

Two numbers differ on purpose, as in the devkit: the ego poses of an `AgentInput` read from a log
are float32 (inference), those of `Scene.get_agent_input` float64 (training and caching).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.scenes.geometry import frame_pose, relative_poses
from reworld_agent.scenes.sensors import Cameras, Lidar, SensorConfig, check_image_sizes
from reworld_agent.scenes.trajectory import Trajectory, TrajectorySampling

NAVSIM_INTERVAL_LENGTH = 0.5  # s, between frames
_MAP_VERSION = "nuplan-maps-v1.0"  # as the devkit asks nuPlan for its maps


@dataclass
class EgoStatus:
    """State of the ego vehicle in one frame.

    Attributes:
        ego_pose: [3] x, y [m], heading [rad] of the rear axle; see `in_global_frame`.
        ego_velocity: float32 [2] m/s, ego frame of that instant (x forward, y left).
        ego_acceleration: float32 [2] m/s², same frame.
        driving_command: int [4] one-hot: left, straight, right, unknown.
        in_global_frame: the pose is in the map's frame (`Scene`), else in that of the present
            rear axle (`AgentInput`).
    """

    ego_pose: NDArray[Any]
    ego_velocity: NDArray[np.float32]
    ego_acceleration: NDArray[np.float32]
    driving_command: NDArray[np.int64]
    in_global_frame: bool = False


@dataclass
class AgentInput:
    """The history up to the present frame, oldest first; one entry a frame in each list."""

    ego_statuses: list[EgoStatus]
    cameras: list[Cameras]
    lidars: list[Lidar]

    @classmethod
    def from_scene_dict_list(
        cls,
        scene_dict_list: list[dict[str, Any]],
        sensor_blobs_path: Path,
        num_history_frames: int,
        sensor_config: SensorConfig,
    ) -> AgentInput:
        """Build from the first `num_history_frames` frame dicts.

        Raises:
            DataError: no frames, or a sensor file that is missing or damaged.
        """
        history = scene_dict_list[:num_history_frames]
        if not history:
            raise DataError("a scene without frames", "check scene_filter.num_history_frames")
        poses = np.array([frame_pose(frame) for frame in history])
        local = relative_poses(poses[-1], poses)
        statuses = [
            _ego_status(frame, pose.astype(np.float32), in_global_frame=False)
            for frame, pose in zip(history, local, strict=True)
        ]
        cameras, lidars = _load_sensors(history, sensor_blobs_path, sensor_config)
        return cls(statuses, cameras, lidars)


@dataclass
class Annotations:
    """Boxes of the other road users and objects of one frame, N of them.

    Attributes:
        boxes: [N, 7] centre x, y, z, length, width, height [m], heading [rad]; ego frame.
        names: [N] classes.
        velocity_3d: [N, 3] m/s, absolute, in the ego frame.
        instance_tokens: [N] name of this box.
        track_tokens: [N] name of the object, the same over the log.

    Raises:
        DataError: the lengths differ.
    """

    boxes: NDArray[np.float64]
    names: list[str]
    velocity_3d: NDArray[np.float64]
    instance_tokens: list[str]
    track_tokens: list[str]

    def __post_init__(self) -> None:
        lengths = {item.name: len(getattr(self, item.name)) for item in fields(self)}
        if len(set(lengths.values())) != 1:
            raise DataError(f"annotation arrays differ in length: {lengths}", "check the log")


@dataclass
class SceneMetadata:
    """Names of a scene; `initial_token` is that of its present frame."""

    log_name: str
    scene_token: str
    map_name: str
    initial_token: str
    num_history_frames: int
    num_future_frames: int
    corresponding_original_scene: str | None = None
    corresponding_original_initial_token: str | None = None


@dataclass
class Frame:
    """One frame with all that is known of it; its ego pose is global."""

    token: str
    timestamp: int
    roadblock_ids: list[str]
    traffic_lights: list[tuple[int, bool]]
    annotations: Annotations
    ego_status: EgoStatus
    lidar: Lidar
    cameras: Cameras


@dataclass
class Scene:
    """A window of a log: history, present and future.

    Attributes:
        scene_metadata: its names and lengths.
        frames: oldest first; the present one is number `num_history_frames - 1`.
        maps_root: folder of the city maps, for `map_api`.
    """

    scene_metadata: SceneMetadata
    frames: list[Frame]
    maps_root: Path | None = field(default=None, repr=False)

    @property
    def map_api(self) -> Any:
        """The city's map, opened when first asked for; raises DataError where it is missing.

        nuPlan's own `AbstractMap` where nuPlan is installed, as agents of the devkit and of its
        forks expect it (TransFuser draws its targets from it); else a `CityMap`.
        """
        # the map libraries take a second to import; few agents ask for the map
        from reworld_agent.scenes.maps.city import open_city_map  # noqa: PLC0415

        if self.maps_root is None:
            raise SceneError("this scene does not know where maps lie", "set NUPLAN_MAPS_ROOT")
        if os.environ.get("REWORLD_HOST") != "builtin" and importlib.util.find_spec("nuplan"):
            factory = importlib.import_module("nuplan.common.maps.nuplan_map.map_factory")
            name = self.scene_metadata.map_name
            return factory.get_maps_api(str(self.maps_root), _MAP_VERSION, name)
        return open_city_map(self.maps_root, self.scene_metadata.map_name)

    def get_future_trajectory(self, num_trajectory_frames: int | None = None) -> Trajectory:
        """The logged future [T, 3] at 2 Hz, float64, ego frame of the present.

        Raises:
            SceneError: the scene has fewer future frames.
        """
        present = self.scene_metadata.num_history_frames - 1
        count = (
            self.scene_metadata.num_future_frames
            if num_trajectory_frames is None
            else num_trajectory_frames
        )
        poses = self._global_poses()[present : present + count + 1]
        if len(poses) != count + 1:
            raise SceneError(
                f"scene {self.scene_metadata.initial_token} has {len(poses) - 1} future frames, "
                f"{count} are asked for",
                f"set scene_filter.num_future_frames={count}",
            )
        return _two_hertz(relative_poses(poses[0], poses[1:]))

    def get_history_trajectory(self, num_trajectory_frames: int | None = None) -> Trajectory:
        """The first frames' poses [T, 3], float64, in the frame of the last of them."""
        count = num_trajectory_frames or self.scene_metadata.num_history_frames
        poses = self._global_poses()[:count]
        return _two_hertz(relative_poses(poses[-1], poses))

    def get_agent_input(self) -> AgentInput:
        """What an agent may see of this scene; its ego poses are float64."""
        history = self.frames[: self.scene_metadata.num_history_frames]
        local = self.get_history_trajectory().poses
        statuses = [
            EgoStatus(
                ego_pose=pose,
                ego_velocity=frame.ego_status.ego_velocity,
                ego_acceleration=frame.ego_status.ego_acceleration,
                driving_command=frame.ego_status.driving_command,
            )
            for frame, pose in zip(history, local, strict=True)
        ]
        return AgentInput(
            statuses, [frame.cameras for frame in history], [frame.lidar for frame in history]
        )

    def _global_poses(self) -> NDArray[np.float64]:
        return np.array([frame.ego_status.ego_pose for frame in self.frames], dtype=np.float64)

    @classmethod
    def from_scene_dict_list(
        cls,
        scene_dict_list: list[dict[str, Any]],
        sensor_blobs_path: Path,
        num_history_frames: int,
        num_future_frames: int,
        sensor_config: SensorConfig,
        maps_root: Path | None = None,
    ) -> Scene:
        """Build from all frame dicts of the window; the map is opened only when asked for.

        Raises:
            DataError: a sensor file is missing or damaged, or annotations are unequal.
        """
        if len(scene_dict_list) < num_history_frames:
            raise DataError("a scene without its present frame", "check scene_filter")
        present = scene_dict_list[num_history_frames - 1]
        metadata = SceneMetadata(
            log_name=present["log_name"],
            scene_token=present["scene_token"],
            map_name=present["map_location"],
            initial_token=present["token"],
            num_history_frames=num_history_frames,
            num_future_frames=num_future_frames,
        )
        cameras, lidars = _load_sensors(scene_dict_list, sensor_blobs_path, sensor_config)
        frames = [
            Frame(
                token=entry["token"],
                timestamp=entry["timestamp"],
                roadblock_ids=entry["roadblock_ids"],
                traffic_lights=entry["traffic_lights"],
                annotations=_annotations(entry),
                ego_status=_ego_status(entry, frame_pose(entry), in_global_frame=True),
                lidar=lidar,
                cameras=frame_cameras,
            )
            for entry, frame_cameras, lidar in zip(scene_dict_list, cameras, lidars, strict=True)
        ]
        return cls(metadata, frames, maps_root)


def _two_hertz(poses: NDArray[np.float64]) -> Trajectory:
    sampling = TrajectorySampling(num_poses=len(poses), interval_length=NAVSIM_INTERVAL_LENGTH)
    return Trajectory(poses, sampling)


def _ego_status(frame: dict[str, Any], pose: NDArray[Any], in_global_frame: bool) -> EgoStatus:
    state = frame["ego_dynamic_state"]
    return EgoStatus(
        ego_pose=pose,
        ego_velocity=np.array(state[:2], dtype=np.float32),
        ego_acceleration=np.array(state[2:], dtype=np.float32),
        driving_command=frame["driving_command"],
        in_global_frame=in_global_frame,
    )


def _annotations(frame: dict[str, Any]) -> Annotations:
    anns = frame["anns"]
    return Annotations(
        boxes=anns["gt_boxes"],
        names=anns["gt_names"],
        velocity_3d=anns["gt_velocity_3d"],
        instance_tokens=anns["instance_tokens"],
        track_tokens=anns["track_tokens"],
    )


def _load_sensors(
    frames: list[dict[str, Any]], sensor_blobs_path: Path, sensor_config: SensorConfig
) -> tuple[list[Cameras], list[Lidar]]:
    cameras, lidars = [], []
    for number, frame in enumerate(frames):
        names = sensor_config.get_sensors_at_iteration(number)
        cameras.append(
            Cameras.from_camera_dict(sensor_blobs_path, frame["cams"], names, frame["token"])
        )
        path = frame.get("lidar_path")
        lidars.append(Lidar.from_paths(sensor_blobs_path, Path(path) if path else None, names))
    check_image_sizes(cameras, [frame["token"] for frame in frames])
    return cameras, lidars
