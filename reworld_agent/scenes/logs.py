"""Log files: one pickle a log, a list of 2 Hz frame dicts, and what must hold for each frame."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from reworld_agent.core.errors import DataError
from reworld_agent.core.unpickle import load_pickle

FrameDict = dict[str, Any]

OBJECT_NAMES = frozenset(
    ["vehicle", "pedestrian", "bicycle", "traffic_cone", "barrier", "czone_sign", "generic_object"]
)
_REQUIRED = (
    *("token", "timestamp", "log_name", "scene_token", "map_location"),
    *("ego2global_translation", "ego2global_rotation", "ego_dynamic_state", "driving_command"),
    *("roadblock_ids", "traffic_lights", "lidar_path", "cams"),
)
_EGO_SIZES = {"ego2global_translation": 3, "ego2global_rotation": 4, "ego_dynamic_state": 4}
_ANNOTATIONS = ("gt_boxes", "gt_names", "gt_velocity_3d", "instance_tokens", "track_tokens")
_LOGS_IN_MEMORY = 6  # a real log is tens of megabytes once unpickled
_DAMAGED = "the log is damaged: download it again, or leave it out with scene_filter.log_names"


def load_log(path: Path | str) -> list[FrameDict]:
    """Frames of one log, in time order.

    The last few logs stay in memory and are shared: do not change what is returned.

    Raises:
        DataError: the file is missing, truncated, hostile, or no list of frames.
    """
    path = Path(path)
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(
            f"{path}: cannot read the log ({error.strerror})",
            "check OPENSCENE_DATA_ROOT and train_test_split.data_split, or download the log",
        ) from error
    return _load_log(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=_LOGS_IN_MEMORY)
def _load_log(path: Path, size: int, modified_ns: int) -> list[FrameDict]:
    frames = load_pickle(path)
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise DataError(f"{path}: a log must be a list of frame dicts", _DAMAGED)
    for index, frame in enumerate(frames):
        for key in ("token", "roadblock_ids"):
            if key not in frame:
                raise DataError(f"{path}: frame {index} has no '{key}'", _DAMAGED)
    return frames


def validate_frame(frame: FrameDict, path: Path | str, annotations: bool = True) -> None:
    """Check what is read of one frame.

    Args:
        frame: a frame dict.
        path: the log, for the message.
        annotations: also check the boxes; a frame of a private test log has none.

    Raises:
        DataError: a key is missing, the ego state is not finite, annotation arrays differ in
            length, or a class name is unknown; names the log and the frame's token.
    """
    where = f"{path}: frame {frame.get('token', '?')}"
    missing = [key for key in _REQUIRED if key not in frame]
    if missing:
        raise DataError(f"{where} has no '{missing[0]}'", _DAMAGED)
    for key, size in _EGO_SIZES.items():
        values = np.asarray(frame[key], dtype=np.float64)
        if values.shape != (size,):
            raise DataError(f"{where}: {key} has shape {values.shape}, not ({size},)", _DAMAGED)
        if not np.isfinite(values).all():
            raise DataError(f"{where}: {key} is not finite: {values.tolist()}", _DAMAGED)
    if annotations:
        _validate_annotations(frame, where)


def _validate_annotations(frame: FrameDict, where: str) -> None:
    if "anns" not in frame:
        raise DataError(
            f"{where} has no 'anns'", "logs of a private test split can be planned, not scored"
        )
    anns = frame["anns"]
    missing = [key for key in _ANNOTATIONS if key not in anns]
    if missing:
        raise DataError(f"{where}: anns has no '{missing[0]}'", _DAMAGED)
    lengths = {key: len(anns[key]) for key in _ANNOTATIONS}
    if len(set(lengths.values())) != 1:
        raise DataError(f"{where}: annotation arrays differ in length: {lengths}", _DAMAGED)
    count = lengths["gt_boxes"]
    boxes, velocity = np.asarray(anns["gt_boxes"]), np.asarray(anns["gt_velocity_3d"])
    if count and (boxes.shape != (count, 7) or velocity.shape != (count, 3)):
        raise DataError(
            f"{where}: gt_boxes {boxes.shape} and gt_velocity_3d {velocity.shape} "
            f"are not ({count}, 7) and ({count}, 3)",
            _DAMAGED,
        )
    if count and not np.isfinite(boxes.astype(np.float64)).all():
        raise DataError(f"{where}: gt_boxes is not finite", _DAMAGED)
    unknown = sorted({str(name) for name in anns["gt_names"]} - OBJECT_NAMES)
    if unknown:
        raise DataError(
            f"{where}: unknown class name '{unknown[0]}'",
            f"known classes: {', '.join(sorted(OBJECT_NAMES))}",
        )
