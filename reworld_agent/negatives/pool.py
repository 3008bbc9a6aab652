"""The pool of scored candidates of a split: one parquet file with its provenance.

Rows: token, candidate, poses (24 numbers: [8, 3] at 2 Hz, ego frame), then the metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import (
    LIST,
    TEXT,
    check_cells,
    read_frame,
    read_provenance,
    write_parquet,
)
from reworld_agent.negatives.selection import nearest_unsafe
from reworld_agent.negatives.settings import NegativeSettings

COLUMNS = ("token", "candidate", "poses", "score")
MINE = "make it: reworld mine train_test_split=town_train"


@dataclass(frozen=True)
class NegativePool:
    """Candidates and scores by scene.

    Attributes:
        poses: token to [N, L, 3] float32.
        scores: token to [N] float64.
        provenance: of the file: split, agent, weights, protocol, ...
    """

    poses: Mapping[str, NDArray[np.float32]]
    scores: Mapping[str, NDArray[np.float64]]
    provenance: Mapping[str, Any]

    def nearest(
        self, token: str, expert: NDArray[np.floating], settings: NegativeSettings
    ) -> NDArray[np.float32] | None:
        """The hard negative [L, 3] of a scene; None where it has no unsafe candidate, or none."""
        if token not in self.poses:
            return None
        number = nearest_unsafe(self.poses[token], self.scores[token], expert, settings)
        return None if number is None else self.poses[token][number]


def write_pool(path: Path, rows: pd.DataFrame, provenance: dict[str, Any]) -> None:
    """Write a pool; rows need at least the columns of COLUMNS."""
    write_parquet(path, rows, provenance)


def read_pool(path: Path, split: str | None = None) -> NegativePool:
    """Read a pool.

    Args:
        path: the parquet file.
        split: the split it must be of; None = any.

    Raises:
        DataError: missing, damaged, without a column, or of another split.
    """
    if not path.is_file():
        raise DataError(f"the pool of hard negatives {path} is missing", MINE)
    rows = read_frame(path, MINE)
    missing = [name for name in COLUMNS if name not in rows]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}", MINE)
    check_cells(path, rows, {"token": TEXT, "poses": LIST}, MINE)
    kinds = {np.asarray(poses).dtype.kind for poses in rows["poses"]}
    lengths = {len(poses) for poses in rows["poses"]}
    whole = kinds <= {"f", "i"} and len(lengths) < 2 and not any(n % 3 for n in lengths)
    if rows["score"].dtype.kind != "f" or not whole:
        message = f"{path}: scores must be numbers, and poses [L, 3] of them, of one length"
        raise DataError(message, MINE)
    provenance = read_provenance(path, MINE)
    found = provenance.get("split")
    if split is not None and found is not None and found != split:
        message = f"{path} is a pool of the split {found}, not of {split}"
        raise DataError(message, MINE.replace("town_train", split))
    return pool_of(rows, provenance)


def pool_of(rows: pd.DataFrame, provenance: Mapping[str, Any]) -> NegativePool:
    """The pool of some rows, with at least the columns of COLUMNS."""
    groups = rows.groupby("token", sort=False)
    poses = {str(t): np.stack(list(g["poses"])).astype(np.float32) for t, g in groups}
    return NegativePool(
        {token: flat.reshape(len(flat), -1, 3) for token, flat in poses.items()},
        {str(t): g["score"].to_numpy(np.float64) for t, g in groups},
        provenance,
    )
