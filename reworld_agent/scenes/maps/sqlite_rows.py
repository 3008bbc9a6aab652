"""Rows of a GeoPackage, which is an SQLite file: read without GDAL, whose every call opens it anew.

Opening the file again for each of the thirty reads of a scene in a new place took GDAL 100 ms of
110; SQLite takes 10.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

_AT_ONCE = 500  # ids of one query
_ENVELOPES = (0, 32, 48, 48, 64)  # bytes of a geometry's bounds, by the code in its flags
_HEADER = 8  # bytes before them


class Rows(NamedTuple):
    """Rows of a layer by ascending fid; each column a list."""

    fids: list[int]
    columns: dict[str, list[Any]]
    wkb: list[bytes | None] | None  # None where no geometry was asked for


class NoColumn(Exception):
    """The layer has no such column, or no geometry."""


class NoIndex(Exception):
    """The bounds of the layer's geometries are not indexed."""


class Database:
    """One file, opened when it is first read and kept open.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[int, sqlite3.Connection] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the connection, which belongs to this process."""
        return {"_path": self._path, "_opened": None}

    def layer_names(self) -> frozenset[str]:
        """Names of the tables in the file; raises sqlite3.Error where it is none."""
        query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        own = ("gpkg_", "rtree_", "sqlite_")
        names = [str(name) for (name,) in self._base().execute(query)]
        return frozenset(name for name in names if not name.startswith(own))

    def rows(
        self,
        layer: str,
        columns: Sequence[str],
        geometry: bool,
        box: tuple[float, float, float, float] | None = None,
        fids: Sequence[int] | None = None,
        count: int | None = None,
    ) -> Rows:
        """Rows of a layer.

        Args:
            layer: a name of `layer_names`.
            columns: of the layer.
            geometry: whether to read it too.
            box: only rows whose bounds meet (low x, low y, high x, high y), and maybe some more.
            fids: only these rows.
            count: only so many, the first ones.

        Raises:
            NoColumn: a column, or the geometry, is not there.
            sqlite3.Error: the file is damaged.
        """
        base = self._base()
        present = {str(row[1]) for row in base.execute(f"PRAGMA table_info({_quoted(layer)})")}
        missing = [name for name in columns if name not in present]
        if missing:
            raise NoColumn(missing[0])
        shape = _geometry_column(base, layer, present) if geometry else None
        wanted = ["rowid", *map(_quoted, columns), *([_quoted(shape)] if shape else [])]
        query = f"SELECT {', '.join(wanted)} FROM {_quoted(layer)}"
        found: list[tuple[Any, ...]] = []
        if fids is not None:
            for start in range(0, len(fids), _AT_ONCE):
                part = list(fids[start : start + _AT_ONCE])
                marks = ", ".join("?" * len(part))
                found += base.execute(f"{query} WHERE rowid IN ({marks})", part)
        elif box is not None and shape and _has_index(base, layer, shape):
            index = _quoted(f"rtree_{layer}_{shape}")
            inside = "minx <= ? AND maxx >= ? AND miny <= ? AND maxy >= ?"
            low_x, low_y, high_x, high_y = box
            where = f"WHERE rowid IN (SELECT id FROM {index} WHERE {inside})"
            found += base.execute(f"{query} {where}", (high_x, low_x, high_y, low_y))
        else:
            found += base.execute(query if count is None else f"{query} LIMIT {int(count)}")
        found.sort(key=lambda row: row[0])
        names = {name: [row[k] for row in found] for k, name in enumerate(columns, 1)}
        wkb = [_wkb(row[-1]) for row in found] if shape else None
        return Rows([row[0] for row in found], names, wkb)

    def bounds(self, layer: str) -> list[tuple[float, float, float, float]]:
        """Low x, low y, high x, high y of all geometries of a layer, as stored; [] of none.

        Raises:
            NoIndex: they would have to be read.
            sqlite3.Error: the file is damaged.
        """
        base = self._base()
        query = "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?"
        row = base.execute(query, (layer,)).fetchone()
        if row is None or not _has_index(base, layer, str(row[0])):
            raise NoIndex(layer)
        index = _quoted(f"rtree_{layer}_{row[0]}")
        ends = "min(minx), min(miny), max(maxx), max(maxy)"
        return [
            tuple(box) for box in base.execute(f"SELECT {ends} FROM {index}") if None not in box
        ]

    def _base(self) -> sqlite3.Connection:
        """This process's connection: read-only, and never a journal beside data.

        One that was inherited from another process is left alone; threads may share theirs.
        """
        if self._opened is None or self._opened[0] != os.getpid():
            uri = f"{self._path.absolute().as_uri()}?immutable=1"
            connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            self._opened = os.getpid(), connection
        return self._opened[1]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _geometry_column(base: sqlite3.Connection, layer: str, present: set[str]) -> str:
    query = "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?"
    row = base.execute(query, (layer,)).fetchone()
    if row is None or row[0] not in present:
        raise NoColumn("geometry")
    return str(row[0])


def _has_index(base: sqlite3.Connection, layer: str, shape: str) -> bool:
    """Whether the layer's bounds are indexed, and this SQLite can read such an index."""
    try:
        base.execute(f"SELECT id FROM {_quoted(f'rtree_{layer}_{shape}')} LIMIT 1").fetchone()
    except sqlite3.OperationalError:
        return False
    return True


def _wkb(blob: Any) -> bytes | None:
    """The standard form of a stored geometry; None where there is none that could be read."""
    if not isinstance(blob, bytes) or len(blob) <= _HEADER or blob[:2] != b"GP":
        return None
    code = blob[3] >> 1 & 7
    return blob[_HEADER + _ENVELOPES[code] :] if code < len(_ENVELOPES) else None
