"""OpenScene / NAVSIM logs: pickles of 2 Hz frames, opened one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reworld_agent.clips.kinematics import make_track
from reworld_agent.clips.recording import Recording, Refused, each, in_time_order
from reworld_agent.clips.sources.protocol import Options
from reworld_agent.clips.splits import folder_split
from reworld_agent.core.errors import DataError
from reworld_agent.scenes.geometry import frame_pose
from reworld_agent.scenes.logs import load_log

LICENCE = "CC BY-NC-SA 4.0 (nuPlan)"


class OpenScene:
    """OpenScene / NAVSIM logs, which keep every fifth frame of nuPlan's: 2 Hz."""

    fps = 2.0
    options = ("part",)

    def recordings(self, root: Path, options: Options) -> Iterator[Recording | Refused]:
        """One recording a log, over all splits below `navsim_logs`; images in `sensor_blobs`."""
        logs = sorted((root / "navsim_logs").glob(f"{options.part or '*'}/*.pkl"))
        if not logs:
            message = f"{root}: holds no logs (navsim_logs/{options.part or '<split>'}/<log>.pkl)"
            raise DataError(message, "root= is the folder that OPENSCENE_DATA_ROOT names")
        camera = options.camera or "CAM_F0"
        yield from each(logs, lambda path: _recording(path, camera), lambda path: path.name)


def _recording(path: Path, camera: str) -> Recording:
    frames = load_log(path)
    try:
        images = [frame["cams"][camera]["data_path"] for frame in frames]
        stamps = np.array([int(frame["timestamp"]) for frame in frames], dtype=np.int64)
        poses = np.array([frame_pose(frame) for frame in frames]).reshape(-1, 3)
        state = np.array([frame["ego_dynamic_state"] for frame in frames], dtype=np.float64)
        command = np.array([_command(frame) for frame in frames], dtype=np.int64)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: a frame lacks camera {camera}, pose or state ({error})",
            "name a camera of the log with camera=, or download the log again",
        ) from error
    if not np.isfinite(poses).all() or not np.isfinite(state).all():
        raise DataError(f"{path}: an ego pose or state is not finite", "download the log again")
    blobs = f"sensor_blobs/{path.parent.name}"
    files = [f"{blobs}/{name}" for name in images]
    track = make_track(
        stamps,
        poses,
        speed=state[:, 0],
        acceleration=state[:, 2],
        command=command,
    )
    ordered, kept, notes = in_time_order(stamps, files, path.stem)
    return Recording(
        source="openscene",
        scene=path.stem,
        camera=camera,
        stamps=ordered,
        files=kept,
        track=track,
        licence=LICENCE,
        split=folder_split(path.parent.name),
        notes=notes,
    )


def _command(frame: dict[str, Any]) -> int:
    one_hot = np.asarray(frame["driving_command"])
    return int(one_hot.argmax()) if one_hot.any() else 3
