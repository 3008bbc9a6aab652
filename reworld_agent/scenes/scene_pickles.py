"""Synthetic scenes of NAVSIM v2's two-stage evaluation: one pickle a scene, without the devkit.

A scene is four frames of history, then eight frames (2 Hz) of what the others do and of the
traffic lights; there is no logged driver. The files hold objects of nuPlan's classes, of which
nothing is imported or run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.core.guards.file_names import file_name
from reworld_agent.core.unpickle import Record, load_pickle
from reworld_agent.scenes.frame_checks import check_annotations, check_finite, check_route
from reworld_agent.scenes.scene import Annotations, EgoStatus, Frame, Scene, SceneMetadata
from reworld_agent.scenes.sensors import Cameras, Lidar, SensorConfig, check_image_sizes

_PACKAGES = ("nuplan", "navsim", "shapely", "pathlib", "enum")
_KEYS = ("scene_metadata", "frames", "extended_traffic_light_data", "extended_detections_tracks")
_FRAME_KEYS = (
    *("token", "timestamp", "roadblock_ids", "traffic_lights", "annotations", "ego_status"),
    *("lidar_path", "camera_dict"),
)
_DAMAGED = "download the synthetic scenes again, or make them with NAVSIM v2's Scene.save_to_disk"
# nuPlan's numbers, in the order of its enumeration, and of its red light.
_TYPES = (
    *("vehicle", "pedestrian", "bicycle", "traffic_cone", "barrier", "czone_sign"),
    "generic_object",
)
_RED = 2
_OTHER_LAYOUT = (KeyError, AttributeError, TypeError, IndexError, ValueError, OverflowError)


class FutureBoxes(NamedTuple):
    """Objects of one future frame, N of them, global frame."""

    token: list[str]
    name: list[str]
    size: NDArray[np.float64]  # [N, 2] length, width, m
    pose: NDArray[np.float64]  # [N, 3] centre x, y [m], heading [rad]
    velocity: NDArray[np.float64]  # [N, 2] m/s; zero for objects that do not move by themselves


@dataclass(frozen=True)
class ScenePickle:
    """A synthetic scene as it is in its file.

    Attributes:
        path: the file.
        metadata: names and lengths; `initial_token` is the scene's token.
        frames: dicts with the keys of `Scene.save_to_disk`.
        future_boxes: objects at t0 + 0.5, 1.0 … s.
        future_lights: (lane connector, is red) at the same times.
    """

    path: Path
    metadata: SceneMetadata
    frames: list[dict[str, Any]]
    future_boxes: list[FutureBoxes]
    future_lights: list[list[tuple[int, bool]]]

    def present_frame(self) -> dict[str, Any]:
        """The frame of t0 with the keys of a log's: token, timestamp, cams, anns, lights."""
        entry = self.frames[-1]
        boxes = entry["annotations"]
        return {
            **{key: entry[key] for key in ("token", "timestamp", "traffic_lights")},
            # a camera that was not rendered is there, without an image
            "cams": {key: _plain(value) for key, value in entry["camera_dict"].items()},
            "anns": {"gt_boxes": boxes["boxes"], "track_tokens": boxes["track_tokens"]},
        }

    def scene(self, sensor_blobs_path: Path, sensor_config: SensorConfig) -> Scene:
        """The scene with the sensors asked for; raises DataError where a file is missing."""
        frames = []
        for number, entry in enumerate(self.frames):
            names = sensor_config.get_sensors_at_iteration(number)
            cameras = {key: _plain(value) for key, value in entry["camera_dict"].items()}
            path = _plain(entry["lidar_path"])
            frames.append(
                Frame(
                    token=entry["token"],
                    timestamp=entry["timestamp"],
                    roadblock_ids=entry["roadblock_ids"],
                    traffic_lights=entry["traffic_lights"],
                    annotations=Annotations(**entry["annotations"]),
                    ego_status=EgoStatus(**entry["ego_status"]),
                    lidar=Lidar.from_paths(sensor_blobs_path, Path(path) if path else None, names),
                    cameras=_cameras(sensor_blobs_path, cameras, names, entry["token"]),
                )
            )
        check_image_sizes([frame.cameras for frame in frames], [frame.token for frame in frames])
        return Scene(self.metadata, frames)

    def sensor_files(self, sensor_config: SensorConfig) -> Iterator[tuple[str, str | None]]:
        """Each sensor that is asked for in each frame, and its file below the sensor data.

        None in place of a file that the scene does not have.
        """
        for number, entry in enumerate(self.frames):
            for name in sensor_config.get_sensors_at_iteration(number):
                if name == "lidar_pc":
                    path = _plain(entry["lidar_path"])
                else:
                    path = _plain(entry["camera_dict"].get(name) or {}).get("data_path")
                yield name, str(path) if path else None


def scene_pickle_path(folder: Path, token: str) -> Path:
    """Where the synthetic scene of a token lies."""
    return folder / file_name(token, ".pkl")


def list_scene_pickles(folder: Path) -> list[Path]:
    """The synthetic scenes of a folder, by token.

    Raises:
        DataError: the folder is missing or holds none.
    """
    paths = sorted(folder.glob("*.pkl")) if folder.is_dir() else []
    if not paths:
        raise DataError(
            f"{folder}: no synthetic scenes (*.pkl) in this folder",
            "name the folder synthetic_scene_pickles of the download: synthetic_scenes_path=DIR of "
            "reworld score, synthetic_scenes=DIR of score_trajectories",
        )
    return paths


def load_scene_pickle(path: Path) -> ScenePickle:
    """Read one synthetic scene.

    Raises:
        DataError: the file is missing, damaged, hostile, or no synthetic scene.
        SceneError: it belongs to another token than its name says.
    """
    content = load_pickle(path, _PACKAGES, needed_by="synthetic scene")
    missing = [key for key in _KEYS if not isinstance(content, dict) or key not in content]
    if missing:
        raise DataError(f"{path}: no synthetic scene (no '{missing[0]}')", _DAMAGED)
    try:
        return _parse(content, path)
    except _OTHER_LAYOUT as error:
        raise DataError(
            f"{path}: an object of another layout ({type(error).__name__}: {error})", _DAMAGED
        ) from error


def _parse(content: dict[str, Any], path: Path) -> ScenePickle:
    known = {item.name for item in fields(SceneMetadata)}
    metadata = SceneMetadata(**{k: v for k, v in content["scene_metadata"].items() if k in known})
    if metadata.initial_token != path.stem:
        raise SceneError(
            f"{path}: holds the scene {metadata.initial_token}", "name the file as its token"
        )
    names = (metadata.log_name, metadata.map_name)
    if not all(isinstance(name, str) for name in names):
        raise DataError(f"{path}: log_name and map_name are no texts", _DAMAGED)
    frames = content["frames"]
    if len(frames) != metadata.num_history_frames:
        raise DataError(f"{path}: {len(frames)} frames, not {metadata.num_history_frames}")
    for frame in frames:
        _check_frame(frame, path)
    boxes = [_boxes(item) for item in content["extended_detections_tracks"] or []]
    lights = [_lights(item) for item in content["extended_traffic_light_data"] or []]
    for number, found in enumerate(boxes, 1):
        _check_future(found, f"{path}: future frame {number}")
    return ScenePickle(path, metadata, frames, boxes, lights)


def _check_frame(frame: Mapping[str, Any], path: Path) -> None:
    missing = [key for key in _FRAME_KEYS if key not in frame]
    if missing:
        raise DataError(f"{path}: a frame has no '{missing[0]}'", _DAMAGED)
    where = f"{path}: frame {frame['token']}"
    if not isinstance(frame["token"], str) or not isinstance(frame["timestamp"], int | np.integer):
        raise DataError(f"{where}: its token is no text, or its timestamp no time", _DAMAGED)
    status, annotations = frame["ego_status"], frame["annotations"]
    for kind, values in ((EgoStatus, status), (Annotations, annotations)):
        unknown = set(values) - {one.name for one in fields(kind)}
        if unknown:
            raise DataError(f"{where}: '{min(map(str, unknown))}' is no {kind.__name__}", _DAMAGED)
    check_finite(status["ego_pose"], (3,), f"{where}: ego_pose")
    for key in ("ego_velocity", "ego_acceleration"):
        check_finite(status[key], (len(status[key]),), f"{where}: {key}")
    check_route(frame["roadblock_ids"], frame["traffic_lights"], where)
    names = {"boxes": "gt_boxes", "names": "gt_names", "velocity_3d": "gt_velocity_3d"}
    check_annotations({names.get(key, key): value for key, value in annotations.items()}, where)


def _check_future(found: FutureBoxes, where: str) -> None:
    for name, values in (("size", found.size), ("pose", found.pose), ("velocity", found.velocity)):
        if not np.isfinite(values).all():
            raise DataError(f"{where}: the {name} of an object is not finite", _DAMAGED)
    if len(set(found.token)) < len(found.token):
        raise DataError(f"{where}: a track is there twice", _DAMAGED)


def _cameras(folder: Path, entries: dict[str, Any], names: list[str], token: str) -> Cameras:
    lacking = [name for name in names if name in entries and not entries[name]]
    if lacking:
        raise DataError(
            f"frame {token} has no image of camera '{lacking[0]}'",
            "this synthetic scene was rendered without it: ask for fewer cameras",
        )
    return Cameras.from_camera_dict(folder, entries, names, token)


def _plain(value: Any) -> Any:
    """Text in place of a path that was pickled as an object."""
    if isinstance(value, Record):
        return "/".join(str(part) for part in value.args)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value


def _boxes(tracks: Record) -> FutureBoxes:
    objects = tracks.fields["tracked_objects"].fields["tracked_objects"]
    kinds = [_TYPES[_number(item.fields["_tracked_object_type"])] for item in objects]
    boxes = [item.fields["_box"].fields for item in objects]
    centers = [box["_center"].fields for box in boxes]
    velocities = [
        item.fields["_velocity"].fields if "_velocity" in item.fields else {} for item in objects
    ]
    return FutureBoxes(
        [str(item.fields["_metadata"].fields["track_token"]) for item in objects],
        kinds,
        np.array([[box["_length"], box["_width"]] for box in boxes], np.float64).reshape(-1, 2),
        np.array([[c["x"], c["y"], c["heading"]] for c in centers], np.float64).reshape(-1, 3),
        np.array([[v.get("_x", 0.0), v.get("_y", 0.0)] for v in velocities]).reshape(-1, 2),
    )


def _lights(statuses: Record) -> list[tuple[int, bool]]:
    lights = [item.fields for item in statuses.fields["traffic_lights"]]
    return [(int(item["lane_connector_id"]), _number(item["status"]) == _RED) for item in lights]


def _number(member: Any) -> int:
    """Number of a member of an enumeration."""
    return int(member.args[0] if isinstance(member, Record) else member)
