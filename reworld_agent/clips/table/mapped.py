"""A large index, turned once into tables that every process maps: memory holds what is read.

They lie in the cache, under a name that changes with the index' bytes. Of several processes that
ask for them at once, one makes them and the others wait.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa

from reworld_agent.clips.table.store import SCHEMAS, ClipStore
from reworld_agent.core.atomic import only_process, whole_folder
from reworld_agent.core.errors import DataError
from reworld_agent.core.paths import cache_home
from reworld_agent.core.records.file_hashes import file_hashes
from reworld_agent.core.text import shown

Pieces = Iterator[tuple[str, pa.Table]]
_HINT = "set REWORLD_HOME to a folder on another disk"
_MARK = f"{next(iter(SCHEMAS))}.arrow"  # any table will do: a folder comes with all of them


def index_cache(path: Path) -> Path:
    """Where the tables of an index lie, and what is remembered of its files."""
    path = path.resolve()
    text = f"{path} {file_hashes(path.parent, [path])[0]}"
    return cache_home() / "clips" / hashlib.sha256(text.encode()).hexdigest()[:24]


def mapped_store(folder: Path, pieces: Callable[[], Pieces]) -> ClipStore:
    """The store of a folder, which is made first where it is not there.

    Args:
        folder: see `index_cache`.
        pieces: gives pieces of its tables.

    Raises:
        DataError: the folder cannot be written; what `pieces` raises.
    """
    if not folder.is_dir():
        with only_process(folder.with_suffix(".lock"), _HINT):
            if not folder.is_dir():  # by whom this process has waited for
                _write(folder, pieces)
    try:
        return ClipStore(**{name: _map(folder / f"{name}.arrow") for name in SCHEMAS})
    except (OSError, pa.ArrowException) as error:
        message = f"{shown(folder)}: the tables of an index cannot be read ({error})"
        raise DataError(message, f"delete {folder}: they are made again") from error


def _map(file: Path) -> pa.Table:
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_file(source).read_all()


def _write(folder: Path, pieces: Callable[[], Pieces]) -> None:
    """Write all tables beside the folder, then move them into place at once."""
    try:
        with whole_folder(folder, _MARK) as draft, ExitStack() as files:
            writers = {
                name: files.enter_context(pa.ipc.new_file(str(draft / f"{name}.arrow"), schema))
                for name, schema in SCHEMAS.items()
            }
            for name, table in pieces():
                writers[name].write_table(table)
    except OSError as error:
        if not folder.is_dir():  # another process (no locks on this disk) may have been faster
            message = f"the tables of the index cannot be written to {shown(folder)}: {error}"
            raise DataError(message, _HINT) from error
