"""Trajectories of a run, as they go into a submission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import provenance_in, read_arrow
from reworld_agent.core.text import shown
from reworld_agent.pdm.poses import INTERVAL, interval_of, intervals_of
from reworld_agent.submission.contents import SYNTHETIC_TOKEN_LENGTH, Plan

_HINT = "name the output folder of reworld score, or an agent's folder in it"
_SHOWN = 3


@dataclass(frozen=True)
class Run:
    """What a run planned.

    Attributes:
        path: its `trajectories.parquet`.
        provenance: of that file: agent, split, code version ...
        plans: by token, in the order of the file.
    """

    path: Path
    provenance: dict[str, Any]
    plans: dict[str, Plan]

    def logged(self) -> dict[str, Plan]:
        """Plans of logged scenes: the first stage."""
        return {t: p for t, p in self.plans.items() if len(t) != SYNTHETIC_TOKEN_LENGTH}

    def synthetic(self) -> dict[str, Plan]:
        """Plans of synthetic scenes: the second stage."""
        return {t: p for t, p in self.plans.items() if len(t) == SYNTHETIC_TOKEN_LENGTH}


def read_run(place: Path) -> Run:
    """Read a run folder, or a parquet file with the columns token and poses.

    A column interval_s says the seconds between the poses of a row; without it they are 8 at 2 Hz
    or 40 at 10 Hz.

    Raises:
        DataError: nothing is there, columns are missing, a token comes twice, or a trajectory is
            no [L, 3] of numbers with known times.
    """
    path = place / "trajectories.parquet" if place.is_dir() else place
    if not path.is_file():
        raise DataError(f"{shown(path)}: no such file", _HINT)
    table = read_arrow(path, _HINT)
    missing = [name for name in ("token", "poses") if name not in table.column_names]
    if missing:
        raise DataError(f"{shown(path)}: no column {', '.join(missing)}", _HINT)
    tokens = [str(token) for token in table["token"].to_pylist()]
    if len(set(tokens)) < len(tokens):
        twice = next(token for token in tokens if tokens.count(token) > 1)
        raise DataError(
            f"{shown(path)}: token {twice} has several trajectories",
            "a submission takes one for each scene: keep one candidate",
        )
    column = table[INTERVAL].to_pylist() if INTERVAL in table.column_names else None
    intervals = intervals_of(column, len(tokens))
    rows = list(zip(table["poses"].to_pylist(), intervals, strict=True))
    provenance = provenance_in(table.schema, path, _HINT)
    return Run(path, provenance, _plans(tokens, rows, path))


def _plans(
    tokens: Sequence[str], rows: Sequence[tuple[Any, float | None]], path: Path
) -> dict[str, Plan]:
    arrays, intervals, faults = {}, {}, []
    for token, (row, interval) in zip(tokens, rows, strict=True):
        try:
            arrays[token] = _array(row)
            intervals[token] = interval_of(len(arrays[token]), interval)
        except (DataError, TypeError, ValueError):
            faults.append(token)
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise DataError(
            f"{shown(path)}: the trajectories of {', '.join(faults[:_SHOWN])}{more} are no 24 "
            f"numbers ([8, 3] at 2 Hz) or 120 ([40, 3] at 10 Hz), nor [L, 3] with {INTERVAL}",
            "plan these scenes again",
        )
    # The devkit's agents give float32; what float32 cannot hold stays as it is.
    exact = all(_same(poses, poses.astype(np.float32)) for poses in arrays.values())
    kind = np.float32 if exact else np.float64
    return {t: Plan(poses.astype(kind), intervals[t]) for t, poses in arrays.items()}


def _array(row: Any) -> NDArray[np.float64]:
    """Poses [L, 3], from flat numbers or nested ones; raises ValueError for another layout."""
    poses = np.asarray(row, np.float64)
    if poses.ndim == 1:
        poses = poses.reshape(-1, 3)
    if poses.ndim != 2 or poses.shape[1] != 3:
        raise ValueError(f"poses of shape {poses.shape}")
    return poses


def _same(one: NDArray[np.float64], other: NDArray[np.float32]) -> bool:
    return bool(np.array_equal(one, other, equal_nan=True))
