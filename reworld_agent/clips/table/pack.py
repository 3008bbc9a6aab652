"""From rows of an index, one a clip, to the tables of a store: what clips share is kept once.

Shapes: R clips of T frames each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reworld_agent.clips.kinematics import COMMANDS
from reworld_agent.clips.table.rows import NUMBERS, POSE, SHARED
from reworld_agent.clips.table.store import CLIPS, FOLDERS, FRAMES, RECORDINGS
from reworld_agent.scenes.geometry import relative_poses

_NEAR = 1e-9  # m and rad: poses that are shared are those of the rows, but for rounding
Ints = NDArray[np.int64]


def packed(tables: Iterable[pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """Pieces of a store's tables, with their names, of tables with the schema ROWS."""
    recordings = frames = 0
    for table in tables:
        for rows in _alike(table):
            shared, numbers = _recordings(rows)
            run = _Run.of(rows, numbers)
            follows, origins = run.follows()
            new = run.frames(follows, origins)
            yield "recordings", shared
            yield "clips", _clips(rows, run, follows, numbers + recordings, frames)
            yield "frames", new
            yield "folders", _folders(rows, new)
            recordings, frames = recordings + len(shared), frames + len(new)


def _alike(table: pa.Table) -> Iterator[pa.Table]:
    """Runs of rows that have as many frames each, and are all of videos or of images."""
    video = pc.not_equal(table["video"], "").to_numpy()
    kinds = np.stack([table["frames"].to_numpy(), video], axis=1)
    ends = [*(np.flatnonzero((kinds[1:] != kinds[:-1]).any(axis=1)) + 1).tolist(), len(table)]
    start = 0
    for end in ends:
        yield table.slice(start, end - start).combine_chunks()
        start = end


def _recordings(rows: pa.Table) -> tuple[pa.Table, NDArray[np.int32]]:
    """What runs of rows share, and the number of each row's run."""
    shared = rows.select(SHARED)
    frame = shared.to_pandas()
    new = (frame != frame.shift()).any(axis=1).to_numpy()
    return shared.filter(pa.array(new)).cast(RECORDINGS), (np.cumsum(new) - 1).astype(np.int32)


def _folders(rows: pa.Table, frames: pa.Table) -> pa.Table:
    """The folders of the files, videos themselves among them."""
    names = pc.unique(pc.replace_substring_regex(frames["file"], r"(^|/)[^/]*$", ""))
    if rows["video"][0].as_py():
        names = pc.unique(rows["video"])
    return pa.table([names], schema=FOLDERS)


def _flat(column: pa.ChunkedArray, count: int) -> NDArray[Any]:
    """Values [R, T] of a list column whose lists are all of one length; absent ones are zeros."""
    lists = column.combine_chunks()
    known = lists.is_valid().to_numpy(zero_copy_only=False)
    values = lists.drop_null().flatten().to_numpy(zero_copy_only=False)
    if known.all():
        return values.reshape(len(lists), count)
    full = np.zeros((len(lists), count))
    full[known] = values.reshape(-1, count)
    return full


@dataclass(frozen=True)
class _Run:
    """Rows of T frames each.

    Attributes:
        files: names, or empty.
        same: by column, values [R, T] that belong to a frame, whoever has it.
        poses: [R, T, 3] as each clip's first frame sees them.
        recordings: [R] number of the recording.
        starts: [R] place of the first frame at the clips' rate.
        moves: [R] whether the motion is known.
    """

    files: pa.Array
    same: dict[str, NDArray[Any]]
    poses: NDArray[np.float64]
    recordings: NDArray[np.int32]
    starts: Ints
    moves: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: pa.Table, recordings: NDArray[np.int32]) -> _Run:
        """Rows of one length of clip and one kind of recording; `recordings` [rows] are theirs."""
        count = rows["frames"][0].as_py()
        starts = np.round(rows["start_s"].to_numpy() * rows["fps"].to_numpy()).astype(np.int64)
        files = rows["files"].combine_chunks().flatten()
        if rows["video"][0].as_py():
            files = pa.array([""] * (len(rows) * count), pa.string())
        commands = _commands(rows["command"])
        moves = rows["speed"].combine_chunks().is_valid().to_numpy(zero_copy_only=False)
        same = {
            "file": _codes(files).reshape(len(rows), count),
            "index": _flat(rows["indices"], count),
            "timestamp": _flat(rows["timestamps"], count),
            "command": _flat(commands, count).astype(np.int8),
            **{name: _flat(rows[name], count) for name in NUMBERS},
        }
        poses = np.stack([_flat(rows[name], count) for name in POSE], axis=2).astype(np.float64)
        return cls(files, same, poses, recordings, starts, moves)

    def follows(self) -> tuple[Ints, NDArray[np.float64]]:
        """By how many frames [R] a clip goes on after the one before it; 0 = it begins anew.

        And the pose [R, 3] of each clip's first frame, as the clip sees it that began its row.
        """
        count = self.poses.shape[1]
        shift = np.diff(self.starts, prepend=self.starts[0])
        able = (shift > 0) & (shift < count)
        able[1:] &= (np.diff(self.recordings) == 0) & (self.moves[1:] == self.moves[:-1])
        found = np.zeros(len(shift), dtype=np.int64)
        for step in np.unique(shift[able]).tolist():
            rows = np.flatnonzero(able & (shift == step))
            equal = np.ones(len(rows), dtype=bool)
            for values in self.same.values():
                equal &= (values[rows, : count - step] == values[rows - 1, step:]).all(axis=1)
            found[rows[equal]] = step
        origins = self._origins(found)
        if self._far(found, origins) <= _NEAR:
            return found, origins
        return np.zeros_like(found), np.zeros_like(origins)

    def _far(self, follows: Ints, origins: NDArray[np.float64]) -> float:
        """How far the farthest shared pose would lie from the row's own (m, rad)."""
        worst = 0.0
        for row in np.flatnonzero(follows).tolist():
            shared = _placed(origins[row - 1], self.poses[row - 1][follows[row] :])
            again = relative_poses(origins[row].copy(), shared)
            apart = again - self.poses[row, : len(again)]
            apart[:, 2] = np.angle(np.exp(1j * apart[:, 2]))
            worst = float(np.maximum(worst, np.abs(apart).max()))  # NaN stays
        return worst

    def _origins(self, follows: Ints) -> NDArray[np.float64]:
        """The pose [R, 3] of each clip's first frame, as the clip sees it that began its row."""
        origins = np.zeros((len(follows), 3))
        for row in np.flatnonzero(follows).tolist():
            before = self.poses[row - 1][follows[row]][None]
            origins[row] = _placed(origins[row - 1], before)[0]
        return origins

    def frames(self, follows: Ints, origins: NDArray[np.float64]) -> pa.Table:
        """The frames that no clip before has, in order; see `follows`."""
        count = self.poses.shape[1]
        new = np.arange(count)[None] >= np.where(follows > 0, count - follows, 0)[:, None]
        pairs = zip(origins, self.poses, strict=True)
        poses = np.stack([_placed(*pair) if pair[0].any() else pair[1] for pair in pairs])
        columns = {name: values[new] for name, values in self.same.items() if name != "file"}
        columns |= {name: poses[..., k][new] for k, name in enumerate(POSE)}
        columns["file"] = self.files.filter(pa.array(new.ravel()))
        return pa.table({name: columns[name] for name in FRAMES.names}).cast(FRAMES)


def _placed(origin: NDArray[np.float64], poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Poses [T, 3] seen from `origin` [3], as they are where `origin` is given."""
    along = np.exp(1j * origin[2]) * (poses[:, 0] + 1j * poses[:, 1])
    return np.stack([origin[0] + along.real, origin[1] + along.imag, origin[2] + poses[:, 2]], 1)


def _codes(files: pa.Array) -> NDArray[np.int32]:
    codes: NDArray[np.int32] = files.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return codes


def _commands(column: Any) -> pa.ChunkedArray:
    """A list column of commands as numbers."""
    lists = column.combine_chunks()
    numbers = pc.index_in(lists.flatten(), pa.array(COMMANDS)).cast(pa.float64())
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.chunked_array([pa.ListArray.from_arrays(offsets, numbers, mask=lists.is_null())])


def _clips(
    rows: pa.Table, run: _Run, follows: Ints, recordings: NDArray[np.int32], before: int
) -> pa.Table:
    """The short rows; `before` frames lie before those of this run."""
    count = run.poses.shape[1]
    added = np.where(follows > 0, follows, count)
    last = before + np.cumsum(added)
    columns = {name: rows[name] for name in ("clip_id", "start_s", "checksum")}
    columns |= {"recording": recordings, "first": last - count}
    columns |= {"moves": run.moves, "begins": follows == 0}
    return pa.table(columns).select(CLIPS.names).cast(CLIPS)


def repeated_names(clips: pa.Table) -> list[str]:
    """Names that several clips have."""
    counts = pc.value_counts(clips["clip_id"])
    many = counts.filter(pc.greater(counts.field("counts"), 1))
    names: list[str] = many.field("values").to_pylist()
    return names
