"""Writing results so that a crash, a full disk or a second run never spoils what is there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reworld_agent.errors import ConfigError, DataError

METADATA_KEY = b"reworld"


@contextmanager
def _clear_write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else f"cannot write ({error.strerror or error})"
        raise DataError(
            f"{path}: {reason}; what was written before is intact",
            "free space, then start again with the same output_dir: the run goes on"
            if full
            else "choose another output_dir; the same command goes on where it stopped",
        ) from error


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in place in one step.

    Raises:
        DataError: the disk is full or the folder is not writable; the old file is untouched.
    """
    unique = uuid.uuid4().hex  # processes of two machines may have one number
    partial = path.with_name(f".{path.name}.{unique}.partial")
    with _clear_write_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(partial)
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def write_parquet(path: Path, frame: pd.DataFrame, provenance: dict[str, Any]) -> None:
    """Write a table with its provenance as JSON in the file's metadata; raises DataError."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), METADATA_KEY: json.dumps(provenance).encode()}
    table = table.replace_schema_metadata(metadata)

    def write(partial: Path) -> None:
        with partial.open("wb") as stream:  # pyarrow itself takes only paths that are UTF-8
            pq.write_table(table, stream)

    write_atomically(path, write)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write the csv twin of a table; raises DataError."""
    write_atomically(path, lambda partial: frame.to_csv(partial, index=False))


def read_provenance(path: Path) -> dict[str, Any]:
    """Provenance of a result table; empty where it has none."""
    metadata = pq.read_schema(path).metadata or {}
    provenance: dict[str, Any] = json.loads(metadata.get(METADATA_KEY, b"{}"))
    return provenance


def file_sha256(file: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_same_settings(path: Path, about: Mapping[str, Any]) -> bool:
    """True where `path`, JSON beside earlier results, says the same as `about`; False: no file.

    Raises:
        ConfigError: it tells of other settings: results of both must not lie in one folder.
    """
    if not path.is_file():
        return False
    known = json.loads(path.read_text(encoding="utf-8"))
    other = [key for key in about if known.get(key) != about[key]]
    if other:
        raise ConfigError(
            f"{path.parent} holds results with another {other[0]} "
            f"({known.get(other[0])}, not {about[other[0]]})",
            "choose another output=",
        )
    return True


def check_writable(folder: Path) -> None:
    """Make `folder` and try to write into it.

    Raises:
        ConfigError: it cannot be made or written.
    """
    probe = folder / f".write_test.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"output_dir={folder} is not writable ({error.strerror})",
            "set output_dir=<a folder you may write to>",
        ) from error
