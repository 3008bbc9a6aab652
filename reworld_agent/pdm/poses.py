"""Planned poses: what can be scored, and what is wrong with the rest."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError

USUAL_INTERVALS_S = {8: 0.5, 40: 0.1}  # by count: 2 Hz, 10 Hz over 4 s, where no times are given
INTERVAL = "interval_s"  # column of tables of trajectories whose plans are sampled otherwise
_LONGEST_S = 1e12  # beyond, µs do not fit into 64 bits
_LOOKED_AT = 256  # candidates that are searched for degrees
_MIN_STEP = 0.5  # m; a shorter step has no direction of travel
_USUAL = "[N, 8, 3] at 2 Hz or [N, 40, 3] at 10 Hz"
_GIVE = f"give x, y [m], heading [rad] as {_USUAL}, or as [N, L, 3] with {INTERVAL}"


def interval_of(count: int, interval_s: float | None = None) -> float:
    """Seconds between `count` poses: as given, else 0.5 of 8 poses and 0.1 of 40.

    Raises:
        DataError: the times of so many poses are not known, or are no times.
    """
    if count < 1:
        raise DataError("a trajectory without poses", "give at least one")
    try:
        found = USUAL_INTERVALS_S.get(count) if interval_s is None else _one_number(interval_s)
    except (TypeError, ValueError, OverflowError) as error:
        message = f"{INTERVAL}={interval_s!r} is no number"
        raise DataError(message, "give seconds, such as 0.25") from error
    if found is None:
        raise DataError(
            f"poses hold {3 * count} numbers ([{count}, 3]), not 24 ([8, 3] at 2 Hz) or 120 "
            f"([40, 3] at 10 Hz), and their {INTERVAL} is not given",
            f"give the seconds between them: {INTERVAL}",
        )
    if not (math.isfinite(found) and found > 0.0 and found * count < _LONGEST_S):
        raise DataError(f"{INTERVAL}={found:g} is no time between poses", "give seconds, above 0")
    return found


def _one_number(value: Any) -> float:
    found = as_numbers(value)
    if found.ndim:
        raise TypeError("it is a list")
    return float(found)


def as_numbers(values: Any) -> NDArray[np.float64]:
    """Numbers as float64; what NumPy would read as some is refused: text, truth, a complex number.

    Raises:
        TypeError, ValueError, OverflowError: they are none, of several lengths, or too large.
    """
    given = np.asarray(values)
    if given.dtype.kind not in "fiuO":  # objects: None is NaN, and what is no number raises
        raise TypeError(f"they are of type {given.dtype}")
    return given.astype(np.float64, copy=False)


def usual(count: int, interval_s: float | None) -> bool:
    """Whether a plan needs no interval beside it: `interval_of` knows it from the count."""
    return interval_s is None or USUAL_INTERVALS_S.get(count) == interval_s


def intervals_of(column: Iterable[Any] | None, count: int) -> list[float | None]:
    """Intervals of the plans of a table, from its column `interval_s`.

    Args:
        column: seconds between two poses, by row; None where the table has no such column.
        count: of the rows.

    Returns:
        None where a row says nothing: its poses are 8 at 2 Hz or 40 at 10 Hz.

    Raises:
        DataError: the column holds something else than numbers.
    """
    if column is None:
        return [None] * count
    try:
        values = np.array([np.nan if value is None else value for value in column], np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"column {INTERVAL} does not hold numbers ({error})", "give seconds, such as 0.25"
        ) from error
    return [None if math.isnan(value) else value for value in values.tolist()]


def check_poses(
    poses: Any, token: str = "", interval_s: float | None = None
) -> NDArray[np.float64]:
    """Poses as float64 [N, L, 3]; warns where headings look like degrees.

    Raises:
        DataError: with what is wrong, and which candidate.
    """
    name = f"scene {token}: " if token else ""
    try:
        array = np.ascontiguousarray(as_numbers(poses))
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{name}poses are not an array of numbers ({error})", _GIVE) from error
    if array.size == 0:
        raise DataError(f"{name}no candidate trajectory was given", _GIVE)
    if array.ndim != 3 or array.shape[2] != 3:
        raise DataError(f"{name}poses have shape {list(array.shape)}", _GIVE)
    try:
        interval_of(array.shape[1], interval_s)
    except DataError as error:
        raise DataError(name + error.message, error.hint) from error
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


def pose_fault(poses: NDArray[np.float64], interval_s: float | None = None) -> str | None:
    """Why a flat array cannot be scored as a trajectory, or None."""
    if poses.ndim != 1:
        return f"poses have shape {list(poses.shape)}, not [L, 3] (x, y, heading)"
    if len(poses) == 0 or len(poses) % 3:
        return f"poses hold {poses.size} numbers, not three (x, y, heading) each"
    try:
        interval_of(len(poses) // 3, interval_s)
    except DataError as error:
        return error.message
    if not np.isfinite(poses).all():
        return "poses are not finite"
    return None
