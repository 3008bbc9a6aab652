"""Which of the car's cameras a model sees."""

from __future__ import annotations

from typing import Any

from reworld_agent.config.fields import choice, require
from reworld_agent.scenes.camera_names import CAMERA_NAMES

FRONT = ("cam_f0",)
# the front comes first: it is the view that clips of one camera show
CAMERA_SETS = {"three": ("cam_f0", "cam_l0", "cam_r0"), "surround": CAMERA_NAMES}


def camera_names(value: Any) -> tuple[str, ...]:
    """Names such as `cam_f0` of a name, `three`, `surround`, or a list of them.

    Raises:
        UsageError: it is none of them, or names a camera twice.
    """
    given = [value] if isinstance(value, str) else value
    fits = isinstance(given, list | tuple) and all(isinstance(name, str) for name in given)
    hint = "give names, such as [cam_f0, cam_l0, cam_r0], or three, or surround"
    require(fits and len(given) > 0, f"cameras = {value!r}", hint)
    names: list[str] = []
    for name in given:
        choice("cameras", name, (*CAMERA_SETS, *CAMERA_NAMES))
        names += CAMERA_SETS.get(name, (name,))
    require(len(set(names)) == len(names), f"cameras = {value!r} names one twice", "name each once")
    return tuple(names)
