"""Rows that survive a kill: each flush is one small file, complete or absent."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.records import read_record, write_record
from reworld_agent.core.result_tables import read_frame, write_arrow

FLUSH_S = 2.0  # at most this much finished work is lost by kill -9
IDENTITY = "identity.json"


def check_identity(folder: Path, identity: dict[str, Any], run: Path) -> None:
    """Note in `folder` what its rows depend on.

    Args:
        folder: of the rows.
        identity: what they depend on.
        run: its output folder, which a message names.

    Raises:
        ConfigError: rows of another identity lie there.
        DataError: the folder cannot be written, or what is noted there is damaged.
    """
    path, identity = folder / IDENTITY, json.loads(json.dumps(identity))
    if not path.is_file():
        write_record(path, identity)
        return
    fix = "set resume=false to start over there, or choose another output folder"
    known: dict[str, Any] = read_record(path, dict[str, Any], fix)
    if known != identity:
        names = sorted(key for key in known | identity if known.get(key) != identity.get(key))
        raise ConfigError(
            f"{run} holds an unfinished run with another {', '.join(names)}",
            "choose another output_dir, or set resume=false to start over there",
        )


def forget_identity(folder: Path) -> None:
    """Let rows of another identity come into `folder`."""
    (folder / IDENTITY).unlink(missing_ok=True)


def remove_stores(folder: Path) -> None:
    """Remove the stores that lie in a folder, and the folder where nothing else is in it."""
    for store in list(folder.iterdir()) if folder.is_dir() else ():
        if (store / IDENTITY).is_file():
            shutil.rmtree(store, ignore_errors=True)
    with contextlib.suppress(OSError):  # it holds something that is not ours
        folder.rmdir()


class PartStore:
    """A growing table in a folder of numbered parquet files.

    Args:
        folder: of the parts, RUN/parts/NAME; made where it is absent.
        keys: columns that name a row; of rows with the same keys the latest counts.
        identity: what the rows depend on; rows of another identity are never mixed in.
        resume: False forgets the rows that are there.

    Raises:
        ConfigError: `resume`, and the folder holds rows of another identity.
        DataError: the folder cannot be written.
    """

    def __init__(
        self, folder: Path, keys: tuple[str, ...], identity: dict[str, Any], resume: bool = True
    ) -> None:
        self.folder = folder
        self.keys = list(keys)
        self._buffer: list[dict[str, Any]] = []
        self._last_flush = time.monotonic()
        if not resume:
            for path in self._paths():
                path.unlink(missing_ok=True)
            forget_identity(folder)
        check_identity(folder, identity, folder.parent.parent)

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Take rows; they are written at the latest with the first `add` after two seconds."""
        self._buffer += rows
        if time.monotonic() - self._last_flush > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what was taken; raises DataError where the disk is full."""
        if self._buffer:
            paths = self._paths()
            number = int(paths[-1].stem.split("-")[1]) + 1 if paths else 0
            table = pa.Table.from_pandas(pd.DataFrame(self._buffer), preserve_index=False)
            path = self.folder / f"part-{number:06d}.parquet"
            write_arrow(path, table)
            self._buffer = []
        self._last_flush = time.monotonic()

    def rows(self) -> pd.DataFrame:
        """All rows written so far, one for each key; no columns where there are none."""
        frames = []
        for path in self._paths():
            try:
                frame = read_frame(path, ours=True)
                missing = [key for key in self.keys if key not in frame]
                if missing:
                    raise DataError(f"{path}: no column {missing[0]}")
                frames.append(frame)
            except DataError as error:  # a disk that lied about its sync
                warnings.warn(f"{error.message}: unreadable, its rows are made again", stacklevel=2)
                path.unlink()
        if not frames:
            return pd.DataFrame()
        merged = pd.concat(frames, ignore_index=True)
        return merged.drop_duplicates(self.keys, keep="last", ignore_index=True)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("part-" + "[0-9]" * 6 + ".parquet"))
