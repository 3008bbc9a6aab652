"""What must hold of a frame, and between one frame of a log and the next.

The devkit believes its logs: it takes the frames of a window to be 0.5 s apart and of one log,
whatever their times and names say, and scores them. What it does is said in each message; it was
tried out (v1.1 and v2.2): a doubled track or a velocity that is no number fails in the present
frame of a scene, from which objects are forecast, and is not noticed in any other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError, UsageError

FrameDict = dict[str, Any]

OBJECT_NAMES = frozenset(
    ["vehicle", "pedestrian", "bicycle", "traffic_cone", "barrier", "czone_sign", "generic_object"]
)
_MOVING = frozenset(["vehicle", "pedestrian", "bicycle"])  # of the others no velocity is read
# Logs of 20 Hz, of which a sweep or two may be missing. Steps of the conversions of Argoverse 2 and
# nuScenes at hand are 0.4996 to 0.5003 s and 0.5 s; nuPlan's own logs were not at hand.
STEP_US, TOLERANCE_US = 500_000, 200_000
DAMAGED = "the log is damaged: download it again, or leave it out with scene_filter.log_names"
GAPS_VARIABLE = "REWORLD_LOG_GAPS"
_GAP = (
    "leave the scene out (scene_filter.tokens), or cut the log in two at this frame; "
    f"{GAPS_VARIABLE}=score scores it as the devkit does"
)
_REFUSED = (
    "NAVSIM's devkit cannot score the scene whose present frame this is, and scores those around it"
)
_BELIEVED = "NAVSIM's devkit would score it as if they were 0.5 s apart"
_FEW = 32  # numbers, of which Python finds out sooner than numpy whether they are finite
_TEXTS = ("token", "log_name", "scene_token", "map_location")
_REQUIRED = (
    *("token", "timestamp", "log_name", "scene_token", "map_location"),
    *("ego2global_translation", "ego2global_rotation", "ego_dynamic_state", "driving_command"),
    *("roadblock_ids", "traffic_lights", "cams"),
)
_EGO_SIZES = {"ego2global_translation": 3, "ego2global_rotation": 4, "ego_dynamic_state": 4}
_ANNOTATIONS = ("gt_boxes", "gt_names", "gt_velocity_3d", "instance_tokens", "track_tokens")


def validate_frame(frame: FrameDict, path: object, annotations: bool = True) -> None:
    """Check what is read of one frame.

    Args:
        frame: a frame dict.
        path: the log, for the message.
        annotations: also check the boxes; a frame of a private test log has none.

    Raises:
        DataError: a key is missing or of another kind, the ego state, a box or the velocity of
            what moves is not finite, annotation arrays differ in length, a class name is unknown,
            or a track is there twice; names the log and the frame's token.
    """
    where = f"{path}: frame {_short(frame.get('token', '?'))}"
    for key in _REQUIRED:
        if key not in frame:
            raise DataError(f"{where} has no '{key}'", DAMAGED)
    for key in _TEXTS:
        if not isinstance(frame[key], str):
            raise DataError(f"{where}: {key} is {_short(frame[key])}, no text", DAMAGED)
    if not _is_int(frame["timestamp"]) or not 0 <= frame["timestamp"] < 1 << 62:
        raise DataError(f"{where}: timestamp is {_short(frame['timestamp'])}, no time", DAMAGED)
    for key, size in _EGO_SIZES.items():
        check_finite(frame[key], (size,), f"{where}: {key}")
    if not any(frame["ego2global_rotation"]):
        raise DataError(
            f"{where}: ego2global_rotation is all zeros, no rotation (NAVSIM's devkit would take "
            "it for a heading of 0)",
            DAMAGED,
        )
    check_finite(frame["driving_command"], (4,), f"{where}: driving_command")
    check_route(frame["roadblock_ids"], frame["traffic_lights"], where)
    _check_sensors(frame, where)
    if annotations:
        anns = frame.get("anns")
        if not isinstance(anns, Mapping):
            hint = "logs of a private test split can be planned, not scored"
            raise DataError(f"{where} has no 'anns'", hint)
        check_annotations(anns, where)


def gaps_are_scored() -> bool:
    """Whether windows that are no drive at 2 Hz are scored all the same, as the devkit does.

    Raises:
        UsageError: the environment variable has another value than `score` or `refuse`.
    """
    choice = os.environ.get(GAPS_VARIABLE) or "refuse"
    if choice not in ("refuse", "score"):
        hint = f"{GAPS_VARIABLE}=refuse, the default, or {GAPS_VARIABLE}=score"
        raise UsageError(f"{GAPS_VARIABLE}={_short(choice)} must be refuse or score", hint)
    return choice == "score"


def validate_step(before: FrameDict, frame: FrameDict, path: object) -> None:
    """Check that one frame follows another, 0.5 s later in the same log.

    Raises:
        DataError: another log, another step of time, or the same token.
    """
    where = f"{path}: frame {frame['token']}"
    if frame["log_name"] != before["log_name"]:
        names = f"'{frame['log_name']}', the one before it of '{before['log_name']}'"
        raise DataError(
            f"{where} is of the log {names}: no window of one drive ({_BELIEVED})", _GAP
        )
    step = int(frame["timestamp"]) - int(before["timestamp"])
    if abs(step - STEP_US) > TOLERANCE_US:
        kind = "a gap" if step > 0 else "back in time"
        raise DataError(
            f"{where} is {step / 1e6:g} s after the one before it, not 0.5 s: {kind} ({_BELIEVED})",
            _GAP,
        )
    if frame["token"] == before["token"]:
        raise DataError(f"{where} is there twice ({_BELIEVED})", DAMAGED)


def check_route(route: Any, lights: Any, where: str) -> None:
    """Check the ids of a route and the traffic lights; `where` begins the DataError's message."""
    texts = type(route) is list and {*map(type, route)} <= {str}
    if not texts and not (
        _is_row(route) and all(isinstance(block, str) or _is_int(block) for block in route)
    ):
        raise DataError(f"{where}: roadblock_ids is no list of ids", DAMAGED)
    if not _are_usual(lights) and not (_is_row(lights) and all(map(_is_light, lights))):
        raise DataError(f"{where}: traffic_lights is no list of (lane connector, is red)", DAMAGED)


def _check_sensors(frame: FrameDict, where: str) -> None:
    cameras = frame["cams"]
    entries = cameras.values() if isinstance(cameras, Mapping) else (None,)
    if not all(type(entry) is dict or isinstance(entry, Mapping) for entry in entries):
        raise DataError(f"{where}: cams is no dict of cameras", DAMAGED)
    if not isinstance(frame.get("lidar_path"), str | None):  # a private test has none
        raise DataError(f"{where}: lidar_path is no text", DAMAGED)


def check_annotations(anns: Mapping[str, Any], where: str) -> None:
    """Check the objects of one frame; `where` begins the message of the DataError."""
    for key in _ANNOTATIONS:
        if key not in anns:
            raise DataError(f"{where}: anns has no '{key}'", DAMAGED)
        if not _is_row(anns[key]):
            raise DataError(f"{where}: {key} is no list", DAMAGED)
    lengths = {key: len(anns[key]) for key in _ANNOTATIONS}
    if len(set(lengths.values())) != 1:
        raise DataError(f"{where}: annotation arrays differ in length: {lengths}", DAMAGED)
    count = lengths["gt_boxes"]
    names = [*map(str, _listed(anns["gt_names"]))]
    unknown = sorted(set(names) - OBJECT_NAMES)
    if unknown:
        raise DataError(
            f"{where}: unknown class name '{_short(unknown[0])}'",
            f"known classes: {', '.join(sorted(OBJECT_NAMES))}",
        )
    tracks = _listed(anns["track_tokens"])
    if not all(isinstance(track, str) for track in tracks):
        raise DataError(f"{where}: track_tokens is no list of texts", DAMAGED)
    if not count:
        return
    check_finite(anns["gt_boxes"], (count, 7), f"{where}: gt_boxes")
    velocity = _numbers(anns["gt_velocity_3d"], (count, 3), f"{where}: gt_velocity_3d")
    finite = np.isfinite(velocity[:, :2]).all(axis=1)
    if not finite.all():
        broken = [i for i in np.flatnonzero(~finite).tolist() if names[i] in _MOVING]
        if broken:
            raise DataError(
                f"{where}: gt_velocity_3d of the {names[broken[0]]} {_short(tracks[broken[0]])} is "
                f"not finite ({_REFUSED})",
                DAMAGED,
            )
    if len(set(tracks)) < count:
        twice = next(track for track in tracks if tracks.count(track) > 1)
        raise DataError(f"{where}: the track {_short(twice)} is there twice ({_REFUSED})", DAMAGED)


def check_finite(value: Any, shape: tuple[int, ...], where: str) -> None:
    """Check finite real numbers of this shape; `where` begins the message of the DataError."""
    if _are_finite(value, shape):
        return
    numbers = _numbers(value, shape, where)
    if not np.isfinite(numbers).all():
        raise DataError(f"{where} is not finite: {_short(numbers.tolist())}", DAMAGED)


def _are_finite(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether these are a few finite numbers of this shape, written as nearly all logs do.

    Of what is not, `check_finite` finds out whether it serves all the same.
    """
    if type(value) is np.ndarray:
        if value.shape != shape or value.size > _FEW or value.dtype.kind not in "fiub":
            return False
        items = value.ravel().tolist()
    elif type(value) is list and (len(value),) == shape and {*map(type, value)} <= {float}:
        items = value
    else:
        return False
    return all(map(isfinite, items))


def _numbers(value: Any, shape: tuple[int, ...], where: str) -> NDArray[np.float64]:
    """Real numbers of this shape, from an array or from nested lists; raises DataError."""
    if not isinstance(value, np.ndarray) and _has_shape(value, shape):
        value = np.array(value, dtype=np.float64)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        raise DataError(f"{where} is {_short(value)}, no numbers of shape {shape}", DAMAGED)
    if value.shape != shape:
        raise DataError(f"{where} has shape {value.shape}, not {shape}", DAMAGED)
    return value if value.dtype == np.float64 else value.astype(np.float64)


def _has_shape(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether nested lists or rows of arrays hold real numbers in this shape."""
    if not shape:
        return isinstance(value, float | int | np.floating | np.integer | np.bool_)
    if isinstance(value, np.ndarray):
        return value.shape == shape and value.dtype.kind in "fiub"
    is_list = isinstance(value, list | tuple) and len(value) == shape[0]
    return is_list and all(_has_shape(item, shape[1:]) for item in value)


def _listed(values: Any) -> list[Any]:
    """The items of a row; texts of numpy's as Python's."""
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _is_row(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim >= 1
    if type(value) in (list, tuple):
        return True
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _are_usual(lights: Any) -> bool:
    """Whether traffic lights are a list of (lane connector, is red), as nearly all are."""
    if type(lights) is not list:
        return False
    for light in lights:  # there are many: a plain loop is the fastest here
        if type(light) is not tuple or len(light) != 2:
            return False
        if type(light[0]) is not int or type(light[1]) is not bool:
            return False
    return True


def _is_light(light: Any) -> bool:
    if not _is_row(light) or len(light) != 2:
        return False
    lane, red = light
    named = _is_int(lane) or (isinstance(lane, str) and lane.isascii() and lane.isdigit())
    return named and isinstance(red, bool | np.bool_ | int | np.integer)


def _is_int(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _short(value: Any) -> str:
    """A value for a message, never a page of it."""
    text = value if isinstance(value, str) else f"{type(value).__name__} {value!s:.60}"
    return text if len(text) <= 80 else f"{text[:77]}..."
