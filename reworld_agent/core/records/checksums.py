"""A hash of every file of a folder, written when it is saved and verified where it is read."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from reworld_agent.core.errors import WeightsError
from reworld_agent.core.records.file_hashes import file_sha256, file_state
from reworld_agent.core.records.reader import read_record, write_record
from reworld_agent.core.text import is_file_name, shown

CHECKSUMS = "checksums.json"
_SUFFIXES = (".safetensors", ".json")
_READ = (".safetensors", ".index.json")  # what loading would take up though nobody saved it there
_THREADS = 8  # hashing lets go of the interpreter's lock: shards are hashed side by side


@dataclass(frozen=True)
class Checksums:
    """`checksums.json`: SHA-256 of the files of a folder, by their paths below it."""

    sha256: dict[str, str]


def write_checksums(folder: Path, names: Sequence[str] | None = None) -> None:
    """Note the hash of every file of tensors or settings below a folder, or of `names` alone.

    Raises:
        DataError: the record cannot be written.
    """
    names = _files(folder) if names is None else names
    write_record(
        folder / CHECKSUMS, Checksums(dict(zip(names, _hashes(folder, names), strict=True)))
    )


def verify_checksums(folder: Path, fix: str, only: str | None = None) -> bool:
    """See that a folder's files are those that were saved.

    Args:
        folder: of the files.
        fix: what to do where they are not.
        only: the one file that is asked for; None = all, and there must be no others.

    Returns:
        False where no hashes were noted, by an earlier version: damage cannot be seen then.

    Raises:
        WeightsError: names the file that is gone, changed, or was not there.
    """
    record = folder / CHECKSUMS
    if not record.is_file():
        return False
    known = read_record(record, Checksums, fix, WeightsError).sha256
    for name in known:
        if not all(map(is_file_name, PurePosixPath(name).parts)):
            raise WeightsError(f"{shown(record)} names {name!r}, no file of its folder", fix)
    if only is not None:
        known = {name: noted for name, noted in known.items() if name == only}
    names = [name for name in known if (folder / name).is_file()] if only else _files(folder)
    gone = [name for name in known if name not in names]
    if gone:
        raise WeightsError(f"{shown(folder / gone[0])} is missing", fix)
    more = [name for name in names if name not in known and name.endswith(_READ)]
    if more:
        message = f"{shown(folder / more[0])} was not there when the folder was saved"
        raise WeightsError(message, fix)
    for name, found in zip(known, _hashes(folder, list(known)), strict=True):
        if found != known[name]:
            message = f"{shown(folder / name)} is not as it was saved: its bytes have another hash"
            raise WeightsError(message, fix)
    return True


def _files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
    return sorted(p.relative_to(folder).as_posix() for p in found if p.name != CHECKSUMS)


def _hashes(folder: Path, names: Sequence[str]) -> list[str]:
    states = [(folder / name, file_state(folder / name)) for name in names]
    with ThreadPoolExecutor(_THREADS) as pool:
        jobs = [pool.submit(_sha256, path, state) for path, state in states]
        return [job.result() for job in jobs]


@lru_cache(maxsize=256)
def _sha256(file: Path, state: tuple[int, ...]) -> str:
    """Hash of a file in a state; see `file_state`."""
    return file_sha256(file)
