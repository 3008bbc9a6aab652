"""What a table of ours was when it was written: hashes of its columns, provenance and csv twin.

They lie in the parquet file's own metadata, so that they go where it goes. A table that others
write anew has none, nor our provenance, and is read as a table of theirs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reworld_agent.core.records.reader import parse_json
from reworld_agent.core.records.typed import typed

SEAL_KEY = b"reworld_seal"


@dataclass(frozen=True)
class Seal:
    """Hashes of a table.

    Attributes:
        provenance: of the provenance's text.
        columns: of each column's values.
        csv: of the csv file that was written beside it; "" where none was.
    """

    provenance: str
    columns: dict[str, str]
    csv: str = ""

    def as_metadata(self) -> dict[bytes, bytes]:
        """The entry of the file's metadata."""
        return {SEAL_KEY: json.dumps(asdict(self)).encode()}

    def fault(self, columns: Mapping[str, str], whole: bool) -> str:
        """Which of the columns is not what was written, and `whole` says: all; "" where none is."""
        if whole and set(columns) != set(self.columns):
            return "it has other columns"
        changed = [name for name, found in columns.items() if self.columns.get(name) != found]
        return f"the column {changed[0]} has other values" if changed else ""


def seal_in(metadata: Mapping[bytes, bytes] | None) -> Seal | None:
    """The seal in a file's metadata; None where it has none; ValueError for a damaged one."""
    found = (metadata or {}).get(SEAL_KEY)
    return None if found is None else typed(Seal, parse_json(found))


def hash_of(content: bytes) -> str:
    """Short SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()[:32]


class ColumnHashes:
    """Hashes of the columns of a table that comes in parts: how it is cut does not matter.

    Args:
        names: of the columns.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._columns = {name: _Values() for name in names}

    def add(self, table: pa.Table) -> None:
        """The next rows."""
        for name, values in self._columns.items():
            for chunk in table[name].chunks:
                values.add(chunk)

    def found(self) -> dict[str, str]:
        """The hash of each column."""
        return {name: hash_of(values.digest()) for name, values in self._columns.items()}


@dataclass
class _Values:
    """The values of a column, or of its lists: which are there, how long, and what."""

    there: Any = field(default_factory=hashlib.sha256)
    sizes: Any = field(default_factory=hashlib.sha256)
    content: Any = field(default_factory=hashlib.sha256)
    inner: _Values | None = None

    def add(self, array: pa.Array) -> None:
        """Further values of the column: lists by their lengths and their own values."""
        kind = array.type
        self.there.update(np.asarray(array.is_valid()).astype(np.uint8).tobytes())
        if pa.types.is_dictionary(kind):
            array = array.dictionary_decode()
            kind = array.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            array = array.drop_null().cast(pa.large_binary())
            _, starts, data = array.buffers()
            ends = np.frombuffer(starts, np.int64)[array.offset : array.offset + len(array) + 1]
            self._add_sizes(np.diff(ends))
            self.content.update(memoryview(data or b"")[ends[0] : ends[-1]] if len(ends) else b"")
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or _is_fixed(kind):
            array = array.drop_null()
            self._add_sizes(np.asarray(pc.list_value_length(array)))
            self.inner = self.inner or _Values()
            self.inner.add(pc.list_flatten(array))
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            self.content.update(array.drop_null().to_numpy(zero_copy_only=False).tobytes())
        else:
            self.content.update(repr(array.to_pylist()).encode())

    def _add_sizes(self, sizes: Any) -> None:
        self.sizes.update(np.asarray(sizes, dtype=np.int64).tobytes())

    def digest(self) -> bytes:
        inner = self.inner.digest() if self.inner is not None else b""
        found: bytes = self.there.digest() + self.sizes.digest() + self.content.digest() + inner
        return found


def _is_fixed(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind))
