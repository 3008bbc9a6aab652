"""One row a clip, as the parquet file of an index has it: its columns, and what must hold of them.

Shapes: R rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reworld_agent.clips.kinematics import COMMANDS
from reworld_agent.core.errors import DataError
from reworld_agent.core.text import shown

# what all clips of one recording have in common
SHARED = ("source", "kind", "scene", "camera", "split", "licence", "video", "fps", "frames")
# seen from the clip's first frame: x, y m, heading rad; m/s, rad/s, m/s²
POSE = ("x", "y", "heading")
NUMBERS = ("speed", "yaw_rate", "acceleration")
MOTION = (*POSE, *NUMBERS, "command")
COLUMNS = (
    *("clip_id", "source", "kind", "scene", "camera", "split", "licence"),
    *("start_s", "fps", "frames", "video", "files", "indices", "timestamps"),
    *MOTION,
    "checksum",
)
_LISTS = {
    **dict.fromkeys(("files", "command"), pa.string()),
    **dict.fromkeys(("indices", "timestamps"), pa.int64()),
    **dict.fromkeys((*POSE, *NUMBERS), pa.float64()),
}
_SCALARS = {"start_s": pa.float64(), "fps": pa.float64(), "frames": pa.int64()}


def _type(name: str) -> pa.DataType:
    if name in _LISTS:
        return pa.list_(_LISTS[name])
    return _SCALARS.get(name, pa.string())


ROWS = pa.schema([(name, _type(name)) for name in COLUMNS])


def checked_rows(path: Path, rows: pa.Table, first: int, hint: str) -> pa.Table:
    """The rows in the types of ROWS.

    Args:
        path: of the index, for errors.
        rows: with COLUMNS, in any types.
        first: number of the first of them in the index.
        hint: what to do where they are damaged.

    Raises:
        DataError: a cell is not what its column holds; names the column and the row.
    """
    columns = []
    for name, kind in zip(ROWS.names, ROWS.types, strict=True):
        column = rows[name].combine_chunks()
        _check_column(path, name, column, first, hint)
        try:
            columns.append(column.cast(kind))
        except pa.ArrowException as error:
            message = f"{shown(path)}: {name} holds {column.type}, not {kind}"
            raise DataError(message, hint) from error
    found = pa.Table.from_arrays(columns, schema=ROWS)
    _check_frames(path, found, first, hint)
    return found


def _check_column(path: Path, name: str, column: Any, first: int, hint: str) -> None:
    """No cell is absent but those of motion, and texts, numbers and lists are such."""
    wanted, kind = "a text", column.type
    right = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if name in _LISTS:
        wanted = "a list"
        right = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        right &= name not in ("indices", "timestamps") or pa.types.is_integer(kind.value_type)
        right |= name in MOTION and pa.types.is_null(kind)
    elif name in _SCALARS:
        wanted = "a finite number"
        right = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    bad = column.is_null() if right else pa.array(np.ones(len(column), dtype=bool))
    if right and name in _SCALARS:
        bad = pc.or_kleene(bad, pc.invert(pc.is_finite(column)))
    if name not in MOTION or not right:
        faults = np.flatnonzero(bad.to_numpy(zero_copy_only=False))
        if len(faults):
            message = f"{shown(path)}: {name} of row {first + faults[0]} must be {wanted}"
            raise DataError(message, hint)


def _check_frames(path: Path, rows: pa.Table, first: int, hint: str) -> None:
    """Each row has as many frames as it says, of its video or of its files."""
    counts = rows["frames"].to_numpy()
    bad = counts < 1
    for name in _LISTS:
        column = rows[name].combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
        if name in MOTION:
            known = lengths >= 0
            bad |= known & (lengths != counts)
            bad |= known != rows["speed"].combine_chunks().is_valid().to_numpy(zero_copy_only=False)
        elif name == "files":
            bad |= (lengths != counts) & (pc.equal(rows["video"], "").to_numpy())
        else:
            bad |= lengths != counts
        if not bad.any() and _holds_strange(name, column.flatten()):
            bad |= [_holds_strange(name, column[k].values) for k in range(len(column))]
    if bad.any():
        number = int(np.flatnonzero(bad)[0])
        message = f"{shown(path)}: the frames of row {first + number} are not "
        raise DataError(f"{message}{counts[number]} that it can have", hint)


def _holds_strange(name: str, values: pa.Array | None) -> bool:
    """Whether values of a list column cannot be: absent, negative numbers, unknown commands."""
    if values is None or not len(values):
        return False
    if name == "command":
        return not pc.all(pc.is_in(values, pa.array(COMMANDS))).as_py()
    return bool(values.null_count) or (name == "indices" and pc.min(values).as_py() < 0)
