"""Result files: tables with their provenance, and what must be right before they are written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reworld_agent.core.atomic import partial_path, write_atomically
from reworld_agent.core.errors import ConfigError, DataError, ReWorldError
from reworld_agent.core.guards.csv_cells import quoted, unquoted
from reworld_agent.core.records import as_shown, parse_json, read_record, write_record
from reworld_agent.core.records.seals import ColumnHashes, Seal, hash_of, seal_in
from reworld_agent.core.text import shown
from reworld_agent.core.vocabulary import RUN_TABLES

METADATA_KEY = b"reworld"
REMAKE = "write it again"
REMADE = "delete the folder: it is made again"
_CHANGED = "is not what was written"
_AS_YOURS = "save it without the metadata of ours, as pandas does, to use it as a table of your own"
CHECKED: dict[str, Any] = {"write_page_checksum": True}  # for every parquet file of ours


def write_parquet(path: Path, frame: pd.DataFrame, provenance: dict[str, Any]) -> None:
    """Write a table with its provenance as JSON in the file's metadata; raises DataError."""
    _write_parquet(path, frame, provenance, "")


def write_with_twin(path: Path, frame: pd.DataFrame, provenance: dict[str, Any]) -> None:
    """Write a table, and beside it the csv of it, which the table knows; raises DataError."""
    text = quoted(frame).to_csv(index=False).encode()
    _write_parquet(path, frame, provenance, hash_of(text))
    write_atomically(path.with_suffix(".csv"), lambda partial: partial.write_bytes(text))


def _write_parquet(path: Path, frame: pd.DataFrame, provenance: dict[str, Any], csv: str) -> None:
    write_arrow(path, pa.Table.from_pandas(frame, preserve_index=False), provenance, csv)


def write_arrow(
    path: Path,
    table: pa.Table,
    provenance: dict[str, Any] | None = None,
    csv: str = "",
    compression: str = "snappy",
) -> None:
    """Write a table with hashes of its columns, of its provenance and of its csv twin.

    Args:
        path: of the parquet file.
        table: the rows.
        provenance: of them; None where the folder's records tell it.
        csv: hash of the twin; "" where there is none.
        compression: of parquet.

    Raises:
        DataError: it cannot be written.
    """
    hashes = ColumnHashes(table.column_names)
    hashes.add(table)
    metadata = {**(table.schema.metadata or {}), **_about(provenance or {}, hashes, csv)}
    table = table.replace_schema_metadata(metadata)

    def write(partial: Path) -> None:
        with partial.open("wb") as stream:  # pyarrow itself takes only paths that are UTF-8
            pq.write_table(table, stream, compression=compression, **CHECKED)

    write_atomically(path, write)


def _about(provenance: dict[str, Any], hashes: ColumnHashes, csv: str = "") -> dict[bytes, bytes]:
    """What a file's metadata say of it."""
    text = json.dumps(provenance).encode()
    return {METADATA_KEY: text, **Seal(hash_of(text), hashes.found(), csv).as_metadata()}


def write_tables(
    path: Path, tables: Iterable[pa.Table], schema: pa.Schema, about: Callable[[], dict[str, Any]]
) -> None:
    """Write tables one after the other as one, without having them all in memory.

    Args:
        path: of the parquet file.
        tables: of the schema; each is a row group.
        schema: of the file.
        about: gives the provenance, once the last table is written.

    Raises:
        DataError: it cannot be written; what `tables` raises.
    """

    def write(partial: Path) -> None:
        """All row groups, then the provenance with the columns' hashes."""
        # with a schema of Arrow's beside it, pyarrow would not read what is added at the end
        options = {**CHECKED, "store_schema": False}
        hashes = ColumnHashes(schema.names)
        with partial.open("wb") as stream, pq.ParquetWriter(stream, schema, **options) as writer:
            for table in tables:
                hashes.add(table)
                writer.write_table(table)
            writer.add_key_value_metadata(_about(about(), hashes))

    write_atomically(path, write)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write the csv twin of a table, which no spreadsheet takes for formulas; raises DataError."""
    safe = quoted(frame)
    write_atomically(path, lambda partial: safe.to_csv(partial, index=False))


def read_arrow(
    path: Path, fix: str = REMAKE, columns: Sequence[str] | None = None, ours: bool = False
) -> pa.Table:
    """A parquet file of anyone, its checksums and hashes verified where it has some.

    Args:
        path: the file.
        fix: what to do where it is damaged.
        columns: to read; None = all.
        ours: it is kept work: nobody but us writes it.

    Raises:
        DataError: it cannot be read, is damaged, has not these columns, or was to be ours and was
            written by others.
    """
    try:
        with path.open("rb") as stream:  # pyarrow itself takes only paths that are UTF-8
            file = pq.ParquetFile(stream, page_checksum_verification=True)
            if ours and seal_in(file.metadata.metadata) is None:
                raise DataError(f"{shown(path)} {_CHANGED}: it was saved anew since", fix)
            missing = [name for name in columns or () if name not in file.schema_arrow.names]
            if missing:
                has = ", ".join(file.schema_arrow.names)
                raise DataError(f"{shown(path)}: no column {', '.join(missing)}; it has {has}", fix)
            table = file.read(columns=None if columns is None else list(columns))
            table.validate(full=True)
            _check_seal(path, table, fix, whole=columns is None)
            return table
    except ReWorldError:
        raise
    except Exception as error:  # damaged bytes make pyarrow raise nearly anything
        raise _unreadable(path, error, fix) from error


def _check_seal(path: Path, table: pa.Table, fix: str, whole: bool) -> None:
    """Raise DataError where a table with our seal is not what was written."""
    if seal_in(table.schema.metadata) is not None:
        hashes = ColumnHashes(table.column_names)
        hashes.add(table)
        _check_hashes(path, table.schema, hashes, fix, whole)


def _check_hashes(
    path: Path, schema: pa.Schema, hashes: ColumnHashes, fix: str, whole: bool
) -> None:
    """The same of a table whose hashes are found."""
    seal = seal_in(schema.metadata)
    if seal is None:
        return
    fault = seal.fault(hashes.found(), whole)
    if fault:
        raise DataError(f"{shown(path)} {_CHANGED}: {fault}", f"{fix}; or {_AS_YOURS}")
    provenance_in(schema, path, fix)


def read_batches(path: Path, columns: Sequence[str], rows: int, fix: str) -> Iterator[pa.Table]:
    """A parquet file's columns, `rows` rows at a time; memory does not grow with the file.

    Raises:
        DataError: it cannot be read, is damaged, or has not these columns; after the last rows,
            that they are not what was written.
    """
    try:
        with path.open("rb") as stream:  # pyarrow itself takes only paths that are UTF-8
            file = pq.ParquetFile(stream, page_checksum_verification=True)
            hashes = ColumnHashes(columns)
            for batch in file.iter_batches(rows, columns=list(columns)):
                table = pa.Table.from_batches([batch])
                table.validate(full=True)
                hashes.add(table)
                yield table
            schema = file.schema_arrow.with_metadata(file.metadata.metadata)
            _check_hashes(path, schema, hashes, fix, whole=False)
    except ReWorldError:
        raise
    except Exception as error:  # damaged bytes make pyarrow raise nearly anything
        raise _unreadable(path, error, fix) from error


def read_frame(
    path: Path, fix: str = REMAKE, columns: Sequence[str] | None = None, ours: bool = False
) -> pd.DataFrame:
    """The same as a data frame; raises DataError."""
    table = read_arrow(path, fix, columns, ours)
    try:
        return table.to_pandas()
    except Exception as error:  # types that pandas has not, metadata of pandas that lie
        raise _unreadable(path, error, fix) from error


def read_csv(
    path: Path, fix: str = REMAKE, columns: Sequence[str] = (), as_text: bool = False
) -> pd.DataFrame:
    """A csv file of anyone.

    Args:
        path: the file.
        fix: what to do where it is damaged.
        columns: that it must have.
        as_text: every cell is a text as it stands, NA and numbers too.

    Raises:
        DataError: it is damaged, or lacks one of the columns.
    """
    check_twin(path)
    how: dict[str, Any] = {"dtype": str, "keep_default_na": False} if as_text else {}
    try:
        frame = unquoted(pd.read_csv(path, **how))
    except Exception as error:  # damaged bytes make pandas raise nearly anything
        raise _unreadable(path, error, fix) from error
    missing = [name for name in columns if name not in frame]
    if missing:
        raise DataError(f"{shown(path)}: no column {', '.join(missing)}", fix)
    return frame


def check_twin(path: Path) -> None:
    """See that a csv file is what was written beside the parquet file of its name, if one was.

    Raises:
        DataError: it was changed, or saved anew, since.
    """
    parquet = path.with_suffix(".parquet")
    if path == parquet or not (parquet.is_file() and path.is_file()):
        return
    try:
        with parquet.open("rb") as stream:
            seal = seal_in(pq.read_schema(stream).metadata)
        known = seal is None or seal.csv in ("", hash_of(path.read_bytes()))
    except Exception:  # a damaged table says nothing of its twin
        return
    if not known:
        raise DataError(
            f"{shown(path)} {_CHANGED} beside {shown(parquet.name)}",
            f"name {shown(parquet.name)} itself; to read the csv as a table of your own, copy it "
            "to another folder",
        )


def _unreadable(path: Path, error: Exception, fix: str) -> DataError:
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return DataError(f"{shown(path)}: cannot be read as a table ({reason})", fix)


TEXT, NUMBER, LIST = "a text", "a finite number", "a list"


def check_cells(
    path: Path, frame: pd.DataFrame, kinds: Mapping[str, str], fix: str = REMAKE
) -> None:
    """See that every cell of these columns is TEXT, NUMBER or LIST.

    Raises:
        DataError: names the column and the first row that is not.
    """
    for name, kind in kinds.items():
        bad = np.flatnonzero(~_are(frame[name], kind))
        if len(bad):
            message = f"{shown(path)}: {name} of row {bad[0]} must be {kind}"
            raise DataError(message, fix)


def _are(column: pd.Series, kind: str) -> np.ndarray:
    if kind == NUMBER:
        if column.dtype.kind not in "iuf":
            return np.zeros(len(column), dtype=bool)
        return np.isfinite(column.to_numpy())
    wanted: Any = str if kind == TEXT else (list, tuple, np.ndarray)
    return np.fromiter((isinstance(item, wanted) for item in column), bool, len(column))


def read_provenance(path: Path, fix: str = REMAKE) -> dict[str, Any]:
    """Provenance of a result table, empty where it has none; DataError where it was changed."""
    try:
        with path.open("rb") as stream:
            schema = pq.read_schema(stream)
    except Exception as error:  # damaged bytes make pyarrow raise nearly anything
        raise _unreadable(path, error, fix) from error
    return provenance_in(schema, path, fix)


def provenance_in(schema: pa.Schema, path: Path, fix: str = REMAKE) -> dict[str, Any]:
    """The same of a table whose schema is read."""
    try:
        text = (schema.metadata or {}).get(METADATA_KEY, b"{}")
        seal = seal_in(schema.metadata)
        if seal is not None and seal.provenance != hash_of(text):
            raise ValueError("it is not what was written with the table")
        found = parse_json(text, finite=False)
        if not isinstance(found, dict):
            raise ValueError("it is no table")
    except ValueError as error:
        message = f"{shown(path)}: its provenance is damaged ({error})"
        raise DataError(message, fix) from error
    return found


def keep_settings(
    path: Path, about: Mapping[str, Any], notes: Mapping[str, Any] | None = None
) -> None:
    """Say in `path`, a record beside results, what they depend on.

    Args:
        path: of the record.
        about: what all results of the folder must agree in.
        notes: what is written beside it.

    Raises:
        ConfigError: it tells of other settings: results of both must not lie in one folder.
        DataError: it is damaged, or cannot be written.
    """
    about = parse_json(json.dumps(about).encode())
    if not path.is_file():
        write_record(path, {**about, **(notes or {})})
    # also after writing: two processes may begin at once
    known: dict[str, Any] = read_record(path, dict[str, Any], REMADE)
    other = [key for key in about if known.get(key) != about[key]]
    if other:
        raise ConfigError(
            f"{path.parent} holds results with another {other[0]} "
            f"({as_shown(known.get(other[0]))}, not {as_shown(about[other[0]])})",
            "choose another output folder",
        )


def check_writable(folder: Path, table: str) -> None:
    """Make a run's folder and try to write into it.

    Args:
        folder: of the run.
        table: of `RUN_TABLES`, which the run will write there.

    Raises:
        ConfigError: it cannot be made or written, or holds a run of another command.
    """
    for other, command in RUN_TABLES.items():
        if other != table and (folder / other).is_file():
            raise ConfigError(
                f"output_dir={shown(folder)} holds a run of `{command}` ({other})",
                "choose another output_dir: of two runs in one folder only one would be read",
            )
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
