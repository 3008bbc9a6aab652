"""Result files: tables with their provenance, and what must be right before they are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reworld_agent.core.atomic import partial_path, write_atomically
from reworld_agent.core.errors import ConfigError

METADATA_KEY = b"reworld"


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
    probe = partial_path(folder / "write_test")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"output_dir={folder} is not writable ({error.strerror})",
            "set output_dir=<a folder you may write to>",
        ) from error
