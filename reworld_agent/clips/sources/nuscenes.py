"""nuScenes' own tables (nuscenes.org, format v1.0): keyframes at 2 Hz and sweeps at 12 Hz.

Read: sensor, calibrated_sensor, log, scene, sample, sample_data, ego_pose. The two large tables
are streamed, and only the rows of the wanted camera are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from reworld_agent.clips.json_stream import records
from reworld_agent.clips.kinematics import EgoTrack, make_track
from reworld_agent.clips.recording import Recording, Refused, each, in_time_order
from reworld_agent.clips.sources.protocol import Options
from reworld_agent.core.errors import DataError
from reworld_agent.scenes.geometry import quaternion_yaw

LICENCE = "CC BY-NC-SA 4.0 (nuScenes)"
CAMERA = "CAM_FRONT"
Pose = tuple[float, float, float]


@dataclass(frozen=True)
class _Frame:
    stamp: int
    file: str
    pose: str  # token of its ego pose


class NuScenes:
    """nuScenes' own tables, keyframes and sweeps together."""

    fps = 8.0
    options = ("part",)

    def recordings(self, root: Path, options: Options) -> Iterator[Recording | Refused]:
        """One recording a scene, keyframes and sweeps together.

        Raises:
            DataError: a table is missing, cut short or lacks a field or a row that another names.
        """
        tables = _tables(root, options.part)
        camera = options.camera or CAMERA
        try:
            frames = _frames_by_scene(tables, camera)
            poses = _poses(tables, {frame.pose for group in frames.values() for frame in group})
            names = {row["token"]: row["name"] for row in records(tables / "scene.json")}
        except KeyError as error:
            message = f"{tables}: a row lacks {error}, or names a row that is not there"
            raise DataError(message, "extract the tables again") from error
        yield from each(
            sorted(frames, key=lambda key: str(names.get(key, key))),
            lambda token: _recording(names.get(token, token), camera, frames[token], poses, tables),
            lambda token: str(names.get(token, token)),
        )


def _tables(root: Path, part: str | None) -> Path:
    found = sorted(path.parent for path in root.glob("*/sample_data.json"))
    if part is not None:
        found = [path for path in found if path.name == part]
    if len(found) != 1:
        known = ", ".join(path.name for path in found) or "none"
        raise DataError(
            f"{root}: needs one folder of tables such as v1.0-trainval, has: {known}",
            "name it with data_split=",
        )
    return found[0]


def _frames_by_scene(tables: Path, camera: str) -> dict[str, list[_Frame]]:
    sensors = {row["token"] for row in records(tables / "sensor.json") if row["channel"] == camera}
    if not sensors:
        raise DataError(f"{tables}: has no camera {camera}", f"camera={CAMERA} is the front one")
    mounted = {
        row["token"]
        for row in records(tables / "calibrated_sensor.json")
        if row["sensor_token"] in sensors
    }
    scene_of = {row["token"]: row["scene_token"] for row in records(tables / "sample.json")}
    frames: dict[str, list[_Frame]] = {}
    for row in tqdm(records(tables / "sample_data.json"), desc="sample_data", unit=" rows"):
        if row["calibrated_sensor_token"] in mounted:
            frame = _Frame(int(row["timestamp"]), row["filename"], row["ego_pose_token"])
            frames.setdefault(scene_of[row["sample_token"]], []).append(frame)
    return frames


def _poses(tables: Path, wanted: set[str]) -> dict[str, Pose]:
    found: dict[str, Pose] = {}
    for row in tqdm(records(tables / "ego_pose.json"), desc="ego_pose", unit=" rows"):
        if row["token"] in wanted:
            x, y = row["translation"][:2]
            found[row["token"]] = (float(x), float(y), quaternion_yaw(row["rotation"]))
    return found


def _recording(
    scene: str, camera: str, frames: list[_Frame], poses: dict[str, Pose], tables: Path
) -> Recording:
    frames = sorted(frames, key=lambda frame: frame.stamp)  # the table has no order of its own
    stamps = np.array([frame.stamp for frame in frames], dtype=np.int64)
    ordered, kept, notes = in_time_order(stamps, [frame.file for frame in frames], scene)
    return Recording(
        source="nuscenes",
        scene=scene,
        camera=camera,
        stamps=ordered,
        files=kept,
        track=_track(frames, poses, tables, scene),
        licence=LICENCE,
        notes=notes,
    )


def _track(
    frames: list[_Frame], poses: dict[str, Pose], tables: Path, scene: str
) -> EgoTrack | None:
    missing = [frame for frame in frames if frame.pose not in poses]
    if missing:
        raise DataError(
            f"{tables / 'ego_pose.json'}: lacks {len(missing)} poses of {scene}, "
            f"first that of {missing[0].file}",
            "extract the tables again",
        )
    values: Any = np.array([poses[frame.pose] for frame in frames], dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"{tables / 'ego_pose.json'}: a pose of {scene} is not finite", "")
    return make_track(np.array([frame.stamp for frame in frames], dtype=np.int64), values)
