"""The index of clips: one parquet row a clip, everything that is needed to read it again.

Paths are relative to a root that the file's metadata name, so that data and index can be moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from reworld_agent.clips.table.files import check_files, listing
from reworld_agent.clips.table.mapped import index_cache, mapped_store
from reworld_agent.clips.table.pack import packed, repeated_names
from reworld_agent.clips.table.rows import COLUMNS, ROWS, SHARED, checked_rows
from reworld_agent.clips.table.store import ClipStore, in_memory
from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import read_batches, read_provenance, write_tables
from reworld_agent.core.text import shown

FORMAT = "reworld-clips-1"
_LARGE = 4 << 20  # bytes of an index whose tables are kept in the cache, and mapped
_GROUP = 4096  # rows that are read and written at once


@dataclass(frozen=True)
class ClipIndex:
    """Clips of an index and the folder that their paths start from.

    Attributes:
        store: the clips of the index' file; timestamps are us on the source's clock.
        root: folder of the data.
        provenance: how the index was made.
        numbers: of the clips in the store; None = all.
        memory: folder in which it is remembered that the files were checked; None = nowhere.
    """

    store: ClipStore
    root: Path
    provenance: dict[str, Any]
    numbers: NDArray[np.int64] | None = None
    memory: Path | None = None

    @classmethod
    def of_rows(cls, rows: pd.DataFrame, root: Path, provenance: dict[str, Any]) -> ClipIndex:
        """An index of a table with COLUMNS, in memory; DataError where a cell cannot be."""
        whole = pa.Table.from_pandas(rows[list(COLUMNS)], preserve_index=False)
        table = checked_rows(root, whole, 0, "see clips.table.rows")
        return cls(in_memory(packed([table])), root, provenance)

    def __len__(self) -> int:
        return len(self.store) if self.numbers is None else len(self.numbers)

    @property
    def rows(self) -> pd.DataFrame:
        """The whole index as a table with COLUMNS: 40 kB a clip of 121 frames, in memory."""
        return pd.DataFrame([self.row(k) for k in range(len(self))], columns=list(COLUMNS))

    def row(self, number: int) -> dict[str, Any]:
        """One row as a dictionary; DataError where there is none of this number."""
        return self.store.row(self._place(number))

    def value(self, name: str, number: int) -> Any:
        """`clip_id`, `start_s` or `checksum` of one row, without the rest of it."""
        return self.store.clips[name][self._place(number)].as_py()

    def column(self, name: str) -> list[Any]:
        """The same of every row; or what all clips of a recording share, such as `split`."""
        places = pa.array(self._places())
        if name in SHARED:
            shared = self.store.recordings[name]
            found: list[Any] = shared.take(self.store.clips["recording"].take(places)).to_pylist()
        else:
            found = self.store.clips[name].take(places).to_pylist()
        return found

    def distinct(self, name: str) -> list[Any]:
        """What there is of a column that the clips of a recording share, sorted."""
        used = np.unique(self.store.recording_numbers()[self._places()])
        return sorted(set(self.store.recordings[name].take(pa.array(used)).to_pylist()))

    def split(self, name: str) -> ClipIndex:
        """The clips of one split; DataError where there are none."""
        of_split = np.array([one == name for one in self.store.recordings["split"].to_pylist()])
        places = self._places()
        chosen = places[of_split[self.store.recording_numbers()[places]]] if len(self) else places
        if not len(chosen):
            known = ", ".join(self.distinct("split"))
            raise DataError(f"the index has no clips of split {name}", f"its splits: {known}")
        return replace(self, numbers=chosen)

    def take(self, numbers: Sequence[int]) -> ClipIndex:
        """Some of the clips, by their numbers in this index."""
        return replace(self, numbers=self._places()[np.asarray(numbers, dtype=np.int64)])

    def check_files(self) -> None:
        """See that every file is there and of the size it had.

        Raises:
            DataError: says how many files are gone, or clips changed, and names the first.
        """
        check_files(self.store, self.root, self._places(), self.memory)

    def _place(self, number: int) -> int:
        if not 0 <= number < len(self):
            message = f"the index has {len(self)} clips, none of number {number}"
            raise DataError(message, "rows count from 0")
        return number if self.numbers is None else int(self.numbers[number])

    def _places(self) -> NDArray[np.int64]:
        return np.arange(len(self.store)) if self.numbers is None else self.numbers


def write_index(path: Path, index: ClipIndex) -> None:
    """Write an index; DataError where it cannot be written."""
    starts = range(0, len(index), _GROUP)
    groups = ([index.row(k) for k in range(s, min(s + _GROUP, len(index)))] for s in starts)
    tables = (pa.Table.from_pylist(rows, schema=ROWS) for rows in groups)
    write_rows(path, tables, index.root, lambda: index.provenance)


def write_rows(
    path: Path, tables: Iterable[pa.Table], root: Path, about: Callable[[], dict[str, Any]]
) -> None:
    """Write an index of rows that come a few at a time; DataError where it cannot be written.

    Args:
        path: of the index.
        tables: with the schema ROWS.
        root: folder of the data.
        about: gives the provenance, once the last row is written.
    """
    where = str(root.absolute())
    everything = lambda: {"format": FORMAT, **about(), "root": where}  # noqa: E731 - one use
    write_tables(path, _grouped(tables), ROWS, everything)


def _grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of a row group each."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= _GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def read_index(path: Path, root: Path | None = None) -> ClipIndex:
    """Read an index; a large one is turned into tables in the cache, once, which are mapped.

    Args:
        path: the parquet file.
        root: where the data lie now; None = where they lay when it was made.

    Raises:
        DataError: it is missing, damaged, or no index of clips.
    """
    hint = "make one: reworld video index source=... root=... output=FILE.parquet"
    provenance = read_provenance(path, hint)
    written = provenance.get("root")
    if provenance.get("format") != FORMAT or not isinstance(written, str):
        raise DataError(f"{shown(path)} is not an index of clips", hint)
    memory = index_cache(path) if path.stat().st_size > _LARGE else None
    if memory is None:
        store = in_memory(_pieces(path, hint))
    else:
        store = mapped_store(memory, lambda: _pieces(path, hint))
    return ClipIndex(store, root or Path(written), provenance, memory=memory)


def _pieces(path: Path, hint: str) -> Iterator[tuple[str, pa.Table]]:
    """Pieces of the tables of an index' file; DataError where it is damaged."""
    names = []

    def checked() -> Iterator[pa.Table]:
        first = 0
        for table in read_batches(path, COLUMNS, _GROUP, hint):
            yield checked_rows(path, table, first, hint)
            first += len(table)

    for name, piece in packed(checked()):
        if name == "clips":
            names.append(piece.select(["clip_id"]))
        yield name, piece
    twice = repeated_names(pa.concat_tables(names)) if names else []
    if twice:
        raise DataError(f"{shown(path)}: names clips twice: {listing(twice)}", hint)
