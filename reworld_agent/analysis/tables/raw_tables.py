"""The files behind score tables: found, opened whatever bytes their path holds, read by column."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reworld_agent.analysis.tables.files import SCORES
from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.csv_cells import unquoted
from reworld_agent.core.result_tables import check_twin, provenance_in, read_frame
from reworld_agent.core.text import shown
from reworld_agent.core.vocabulary import RUN_TABLES

_ABSENT = ("", "nan", "NaN", "NAN", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "None", "<NA>")
_TEXT = ("token", "log")  # columns whose values stay text although they may look like numbers


@dataclass(frozen=True)
class RawTable:
    """A file whose columns are known and whose values are read when asked for."""

    columns: list[str]
    provenance: dict[str, Any]
    read: Callable[[Sequence[str]], pd.DataFrame]


def find_file(path: Path) -> Path:
    """The score table that a path names: itself, or the one in a run's folder.

    Raises:
        DataError: there is none, or there are several runs or csv files to choose from.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(f"{shown(path)}: no such file or folder", "name a run folder or a table")
    runs = [name for name in RUN_TABLES if (path / name).is_file()]
    if len(runs) > 1:
        raise DataError(f"{shown(path)} holds two runs: {' and '.join(runs)}", "name one of them")
    for name in SCORES:
        if (path / name).is_file():
            return path / name
    others = sorted(path.glob("*.csv"))
    if len(others) == 1:
        return others[0]
    if not others:
        raise DataError(
            f"{shown(path)}: no pdm_scores.parquet and no csv file",
            "finish the run: reworld score with output_dir=<this folder>",
        )
    raise DataError(
        f"{shown(path)}: {len(others)} csv files: {', '.join(shown(p.name) for p in others[:5])}",
        "name one of them",
    )


def open_table(path: Path) -> RawTable:
    """Open a parquet or csv file.

    Raises:
        DataError: it is neither, or it is damaged.
    """
    try:
        with path.open("rb") as stream:
            is_parquet = stream.read(4) == b"PAR1"
        return _open_parquet(path) if is_parquet else _open_csv(path)
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{shown(path)}: not a readable table ({error})", "write it again")


def _open_parquet(path: Path) -> RawTable:
    with path.open("rb") as stream:
        schema = pq.read_schema(stream)

    def read(columns: Sequence[str]) -> pd.DataFrame:
        frame = read_frame(path, columns=columns).reset_index()
        missing = [name for name in columns if name not in frame]
        if missing:  # what pandas notes in the file takes them for something else
            raise _unreadable(path, ValueError(f"no column {missing[0]}"))
        return frame[list(columns)]

    return RawTable(list(schema.names), provenance_in(schema, path), read)


def _open_csv(path: Path) -> RawTable:
    check_twin(path)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        head = stream.readline()
    separator = max(",;\t", key=head.count)
    columns = next(csv.reader([head.rstrip("\r\n")], delimiter=separator), [])

    def read(names: Sequence[str]) -> pd.DataFrame:
        """The named columns; DataError where they cannot be read."""
        text = {name: str for name in names if any(word in name.lower() for word in _TEXT)}
        absent = {name: list(_ABSENT) for name in names if name not in text}
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                frame = pd.read_csv(
                    stream,
                    sep=separator,
                    usecols=list(names),
                    dtype=text,
                    keep_default_na=False,  # a scene may be called NA, null or nan
                    na_values=absent,
                )
            return unquoted(frame)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error

    return RawTable(columns, {}, read)
