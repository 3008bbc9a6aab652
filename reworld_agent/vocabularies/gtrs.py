"""The pickle that GTRS and its Hydra-MDP train on, written scene by scene.

GTRS (NVlabs/GTRS, `gtrs_agent.py`): one dictionary, token → metric → array [V], of EPDMS's metrics
before the human filter, with `pdm_score`.
"""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.atomic import write_atomically

METRICS = (
    *("no_at_fault_collisions", "drivable_area_compliance", "driving_direction_compliance"),
    *("traffic_light_compliance", "ego_progress", "time_to_collision_within_bound"),
    *("lane_keeping", "history_comfort"),
)
TOTAL = "pdm_score"

_Scores = dict[str, NDArray[np.float32]]


def columns() -> dict[str, str]:
    """GTRS's names of its metrics, and our columns of them."""
    return {**{name: f"{name}_unfiltered" for name in METRICS}, TOTAL: TOTAL}


def write_pickle(path: Path, scenes: Iterable[tuple[str, _Scores]]) -> None:
    """Write the dictionary; it is never whole in memory.

    Args:
        path: of the pickle.
        scenes: token, and arrays [V] by our columns.

    Raises:
        DataError: it cannot be written.
    """

    def write(partial: Path) -> None:
        with partial.open("wb") as stream:
            pickler = pickle.Pickler(stream, protocol=4)  # of Python 3.9, the devkit's
            pickler.fast = True  # else it remembers, and so holds, all that it has written
            pickler.dispatch_table = _plain_arrays()
            pickler.dump(_Streamed((token, _renamed(scores)) for token, scores in scenes))

    write_atomically(path, write)


def _renamed(scores: _Scores) -> _Scores:
    return {theirs: scores[ours] for theirs, ours in columns().items()}


class _Streamed:
    """Items that are pickled one after the other, and read back as a plain dictionary."""

    def __init__(self, items: Iterator[tuple[str, _Scores]]) -> None:
        self._items = items

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (), None, None, self._items


def _plain_arrays() -> dict[type, Callable[[Any], Any]]:
    """Arrays as bytes and `numpy.frombuffer`: NumPy 2 writes names that NumPy 1 does not know."""
    table = dict(copyreg.dispatch_table)
    table[np.ndarray] = lambda array: (np.frombuffer, (bytearray(array.tobytes()), array.dtype.str))
    return table
