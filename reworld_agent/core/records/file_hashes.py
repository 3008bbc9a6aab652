"""SHA-256 of large files that seldom change, remembered between processes.

What is remembered holds as long as a file's size, both its times of change (of its content, which
anyone can set, and of its record, which nobody can) and its number stay the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.owners import only_ours
from reworld_agent.core.paths import cache_home
from reworld_agent.core.records.reader import read_record, write_record

_SIGNED = (1 << 63) - 1
_THREADS = 8  # hashing lets go of the interpreter's lock


@dataclass(frozen=True)
class _Row:
    """A file as it was, and its hash."""

    stamp: tuple[int, ...]
    sha256: str


def file_hashes(folder: Path, files: Sequence[Path]) -> list[str]:
    """Hashes of files of one folder, in their order.

    Args:
        folder: that they lie in, at any depth.
        files: each is hashed once [0.6 s a GB], then looked up.

    Raises:
        DataError: a file cannot be read.
    """
    if not files:
        return []
    digest = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    store = cache_home() / "file_hashes" / f"{folder.name}-{digest}.json"
    known = _known(store)
    names = [file.relative_to(folder).as_posix() for file in files]
    try:
        stamps = [file_state(file) for file in files]
        fresh = {
            name: file
            for name, file, stamp in zip(names, files, stamps, strict=True)
            if name not in known or known[name].stamp != stamp
        }
        found = _hashed(fresh)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
    for name, stamp in zip(names, stamps, strict=True):
        if name in found:
            known[name] = _Row(stamp, found[name])
    if found:
        with contextlib.suppress(DataError):  # hashed again the next time
            write_record(store, {name: vars(row) for name, row in known.items()})
            store.chmod(0o644)
    return [known[name].sha256 for name in names]


def _hashed(files: dict[str, Path]) -> dict[str, str]:
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(file_sha256, files.values())
        bar = tqdm(found, "hashing files", len(files), unit="file", delay=3.0, leave=False)
        return dict(zip(files, bar, strict=True))


def file_sha256(file: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces; OSError where they cannot be."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_state(file: Path) -> tuple[int, ...]:
    """What tells one state of a file from another: its size, times of change and number.

    Size and time of the content alone do not: `cp -p`, `rsync -t` and unpacking set that time.

    Raises:
        OSError: it is not there.
    """
    found: os.stat_result = file.stat()
    number = found.st_ino & _SIGNED  # as others keep it, in 64 bits with a sign
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, number


def _known(store: Path) -> dict[str, _Row]:
    if not only_ours(store):
        return {}  # absent, or anyone's
    try:
        rows: dict[str, _Row] = read_record(store, dict[str, _Row], "")
    except DataError:
        return {}  # damaged: it is only a cache
    return rows
