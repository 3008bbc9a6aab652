"""Planned poses: what can be scored, and what is wrong with the rest."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError

POSE_COUNTS = (8, 40)  # 2 Hz, 10 Hz over 4 s
_LOOKED_AT = 256  # candidates that are searched for degrees
_MIN_STEP = 0.5  # m; a shorter step has no direction of travel


def check_poses(poses: Any, token: str = "") -> NDArray[np.float64]:
    """Poses as float64 [N, 8 or 40, 3]; warns where headings look like degrees.

    Raises:
        DataError: with what is wrong, and which candidate.
    """
    name = f"scene {token}: " if token else ""
    hint = "give x, y [m], heading [rad] as [N, 8, 3] at 2 Hz or [N, 40, 3] at 10 Hz"
    try:
        array = np.ascontiguousarray(poses, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}poses are not an array of numbers ({error})", hint) from error
    if array.size == 0:
        raise DataError(f"{name}no candidate trajectory was given", hint)
    if array.ndim != 3 or array.shape[1] not in POSE_COUNTS or array.shape[2] != 3:
        raise DataError(f"{name}poses have shape {list(array.shape)}", hint)
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(axis=(1, 2)))
        raise DataError(
            f"{name}{len(bad)} candidates hold NaN or infinite poses, first number {bad[0]}",
            "leave them out, or fix the planner",
        )
    if looks_like_degrees(array[:_LOOKED_AT]):
        warnings.warn(f"{name}headings look like degrees; they are read as radians", stacklevel=3)
    return array


def looks_like_degrees(poses: NDArray[np.float64]) -> bool:
    """Whether headings exceed a full turn, or fit the direction of travel only as degrees."""
    heading = poses[..., 2]
    if np.abs(heading).max() > 2.0 * math.pi:
        return True
    step = np.diff(poses[..., :2], axis=1)
    clear = (np.hypot(step[..., 0], step[..., 1]) > _MIN_STEP) & (np.abs(heading[:, 1:]) > 0.3)
    if not clear.any():
        return False
    travel = np.arctan2(step[..., 1], step[..., 0])[clear]
    turned = heading[:, 1:][clear]
    as_radians, as_degrees = (
        np.abs((travel - heading + math.pi) % (2.0 * math.pi) - math.pi)
        for heading in (turned, np.radians(turned))
    )
    return bool(np.median(as_degrees) < 0.1 and np.median(as_radians) > 0.3)


def pose_fault(poses: NDArray[np.float64]) -> str | None:
    """Why a flat array cannot be scored as a trajectory, or None."""
    if poses.ndim != 1 or len(poses) not in [3 * count for count in POSE_COUNTS]:
        return f"poses hold {poses.size} numbers, not 24 ([8, 3] at 2 Hz) or 120 ([40, 3] at 10 Hz)"
    if not np.isfinite(poses).all():
        return "poses are not finite"
    return None
