"""The index of clips: one parquet row a clip, everything that is needed to read it again.

Paths are relative to a root that the file's metadata name, so that data and index can be moved.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import (
    LIST,
    NUMBER,
    TEXT,
    check_cells,
    read_frame,
    read_provenance,
    write_parquet,
)
from reworld_agent.core.text import shown

FORMAT = "reworld-clips-1"
# seen from the clip's first frame: x, y m, heading rad; m/s, rad/s, m/s²
MOTION = ("x", "y", "heading", "speed", "yaw_rate", "acceleration", "command")
COLUMNS = (
    *("clip_id", "source", "kind", "scene", "camera", "split", "licence"),
    *("start_s", "fps", "frames", "video", "files", "indices", "timestamps"),
    *MOTION,
    "checksum",
)
_CELLS = dict.fromkeys(
    ("clip_id", "source", "kind", "scene", "camera", "split", "licence", "video", "checksum"), TEXT
)
_CELLS |= dict.fromkeys(("start_s", "fps", "frames"), NUMBER)
_CELLS |= dict.fromkeys(("files", "indices", "timestamps"), LIST)
_SHOWN = 3


@dataclass(frozen=True)
class ClipIndex:
    """Rows of an index and the folder that their paths start from.

    Attributes:
        rows: a table with COLUMNS; timestamps are us on the source's clock.
        root: folder of the data.
        provenance: how the index was made.
    """

    rows: pd.DataFrame
    root: Path
    provenance: dict[str, Any]

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, number: int) -> dict[str, Any]:
        """One row as a dictionary; DataError where there is none of this number."""
        if not 0 <= number < len(self.rows):
            message = f"the index has {len(self.rows)} clips, none of number {number}"
            raise DataError(message, "rows count from 0")
        return {str(key): value for key, value in self.rows.iloc[number].items()}

    def split(self, name: str) -> ClipIndex:
        """The clips of one split; DataError where there are none."""
        rows = self.rows[self.rows["split"] == name].reset_index(drop=True)
        if rows.empty:
            known = ", ".join(sorted(self.rows["split"].unique()))
            raise DataError(f"the index has no clips of split {name}", f"its splits: {known}")
        return ClipIndex(rows, self.root, self.provenance)

    def check_files(self) -> None:
        """See that every file is there and of the size it had.

        Raises:
            DataError: says how many files are gone, or clips changed, and names the first.
        """
        sizes = {name: file_size(self.root / name) for name in self._files()}
        gone = [name for name, size in sizes.items() if size is None]
        if gone:
            raise DataError(
                f"{len(gone)} of {len(sizes)} files of the index are gone from {self.root}: "
                + listing(gone),
                "bring them back, make the index again, or name their folder with root= "
                "(clips_root= of `reworld train`, real_root= and generated_root= of the scores)",
            )
        known = {name: size for name, size in sizes.items() if size is not None}
        changed = [
            str(row["clip_id"])
            for row in self.rows[["clip_id", "files", "video", "checksum"]].to_dict("records")
            if "sizes:" in (checksum := str(row["checksum"]))
            and checksum.split()[-1] != sizes_checksum(row_files(row), known)
        ]
        if changed:
            message = f"{len(changed)} clips are not as they were indexed: {listing(changed)}"
            raise DataError(message, "make the index again")

    def _files(self) -> Iterator[str]:
        for row in self.rows[["files", "video"]].to_dict("records"):
            yield from row_files(row)


def row_files(row: Mapping[Any, Any]) -> list[str]:
    """The files of a row, relative to the root."""
    return [row["video"]] if row["video"] else [str(name) for name in row["files"]]


def listing(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def file_size(path: Path) -> int | None:
    """Bytes of a file, None where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def sizes_checksum(files: Iterable[str], sizes: dict[str, int]) -> str:
    """A checksum of names and sizes: found changed at the price of a look into the folder."""
    lines = "".join(f"{name} {sizes[name]}\n" for name in files)
    return "sizes:" + hashlib.sha256(lines.encode()).hexdigest()[:16]


def content_checksum(files: Iterable[str], root: Path) -> str:
    """A checksum of all bytes of the files, in order."""
    digest = hashlib.sha256()
    for name in dict.fromkeys(files):
        with (root / name).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return "sha256:" + digest.hexdigest()[:16]


def _check_frames(path: Path, rows: pd.DataFrame, hint: str) -> None:
    """Each row has as many frames as it says, of its video or of its files."""
    lists = zip(
        *(rows[n] for n in ("frames", "video", "files", "indices", "timestamps")), strict=True
    )
    for number, (count, video, files, indices, timestamps) in enumerate(lists):
        kinds = {np.asarray(values).dtype.kind for values in (indices, timestamps)}
        sizes = {len(indices), len(timestamps), *([] if video else [len(files)])}
        named = all(isinstance(name, str) for name in files)
        if sizes != {count} or kinds != {"i"} or not named or min(indices) < 0:
            message = f"{shown(path)}: the frames of row {number} are not {count} that it can have"
            raise DataError(message, hint)


def write_index(path: Path, index: ClipIndex) -> None:
    """Write an index; DataError where it cannot be written."""
    rows = index.rows.astype({"start_s": np.float64, "fps": np.float64, "frames": np.int64})
    root = str(index.root.absolute())
    write_parquet(path, rows, {"format": FORMAT, **index.provenance, "root": root})


def read_index(path: Path, root: Path | None = None) -> ClipIndex:
    """Read an index.

    Args:
        path: the parquet file.
        root: where the data lie now; None = where they lay when it was made.

    Raises:
        DataError: it is missing, damaged, or no index of clips.
    """
    hint = "make one: reworld video index source=... root=... output=FILE.parquet"
    rows, provenance = read_frame(path, hint), read_provenance(path, hint)
    missing = [name for name in COLUMNS if name not in rows]
    written = provenance.get("root")
    if provenance.get("format") != FORMAT or missing or not isinstance(written, str):
        raise DataError(f"{shown(path)} is not an index of clips", hint)
    check_cells(path, rows, _CELLS, hint)
    _check_frames(path, rows, hint)
    twice = [name for name, count in Counter(rows["clip_id"]).items() if count > 1]
    if twice:
        raise DataError(f"{shown(path)}: names clips twice: {listing(twice)}", hint)
    return ClipIndex(rows, root or Path(written), provenance)
