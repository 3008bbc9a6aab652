"""A table of ours that was changed since is refused; a table of others is theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reworld_agent.analysis.tables.raw_tables import open_table
from reworld_agent.core.errors import DataError
from reworld_agent.core.records.seals import SEAL_KEY, ColumnHashes
from reworld_agent.core.result_tables import (
    METADATA_KEY,
    read_arrow,
    read_csv,
    read_frame,
    read_provenance,
    write_tables,
    write_with_twin,
)

ORIGIN = {"protocol": "pdms_v1", "agent": "a"}


def _frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "token": ["a", "=b", "average"],
            "valid": [True, False, True],
            "score": [0.5, np.nan, 0.25],
            "count": np.array([1, 2, 3], np.int8),
            "poses": [np.arange(3.0), np.zeros(0), np.ones(2)],
            "note": [None, "x", ""],
        }
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "scores.parquet"
    write_with_twin(path, _frame(), ORIGIN)
    return path


def test_what_was_written_is_read(path: Path) -> None:
    pd.testing.assert_frame_equal(
        read_frame(path)[["token", "score"]], _frame()[["token", "score"]]
    )
    assert read_frame(path, columns=["score", "poses"]).shape == (3, 2)
    assert read_provenance(path) == ORIGIN == open_table(path).provenance
    assert read_csv(path.with_suffix(".csv"))["token"].tolist() == ["a", "=b", "average"]


def _rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """As a script with pyarrow does, which keeps the metadata."""
    pq.write_table(change(pq.read_table(path)), path)


def _other_score(table: pa.Table) -> pa.Table:
    return table.set_column(2, "score", pa.array([0.5, None, 0.9]))


def _no_longer_missing(table: pa.Table) -> pa.Table:
    return table.set_column(2, "score", pa.array([0.5, 0.0, 0.25]))


def _other_poses(table: pa.Table) -> pa.Table:
    return table.set_column(4, "poses", pa.array([[0.0, 1.0], [2.0], [1.0, 1.0]]))


def _another_column(table: pa.Table) -> pa.Table:
    return table.append_column("more", pa.array([1, 2, 3]))


def _fewer_rows(table: pa.Table) -> pa.Table:
    return table.slice(0, 2)


def _other_origin(table: pa.Table) -> pa.Table:
    changed = json.dumps({**ORIGIN, "protocol": "epdms_v2"}).encode()
    return table.replace_schema_metadata({**table.schema.metadata, METADATA_KEY: changed})


CHANGES = (_other_score, _no_longer_missing, _other_poses, _another_column, _fewer_rows)


@pytest.mark.parametrize("change", [*CHANGES, _other_origin])
def test_a_table_that_was_changed_is_refused(
    path: Path, change: Callable[[pa.Table], pa.Table]
) -> None:
    _rewrite(path, change)
    with pytest.raises(DataError, match=r"scores\.parquet.* is not what was written"):
        read_frame(path)


def test_its_provenance_alone_too(path: Path) -> None:
    _rewrite(path, _other_origin)
    for read in (read_provenance, open_table):
        with pytest.raises(DataError, match="its provenance is damaged"):
            read(path)


def test_only_the_columns_that_are_read_count(path: Path) -> None:
    _rewrite(path, _other_score)
    assert len(read_arrow(path, columns=["token"])) == 3
    with pytest.raises(DataError, match="the column score has other values"):
        read_arrow(path, columns=["token", "score"])


def test_a_table_saved_anew_is_anyones(path: Path) -> None:
    _rewrite(path, lambda table: table.select(table.column_names[::-1]))  # of the same content
    assert read_provenance(path) == ORIGIN and len(read_frame(path)) == 3
    pd.read_parquet(path).assign(score=1.0).to_parquet(path)
    assert read_frame(path)["score"].tolist() == [1.0] * 3
    assert read_provenance(path) == {}
    assert len(read_csv(path.with_suffix(".csv"))) == 3  # nothing is known of it any more


def test_a_twin_that_was_changed_is_refused(path: Path, tmp_path: Path) -> None:
    twin = path.with_suffix(".csv")
    twin.write_text(twin.read_text().replace("0.25", "0.95"))
    for read in (read_csv, open_table):
        with pytest.raises(DataError, match=r"scores\.csv is not what was written beside") as found:
            read(twin)
        assert "copy it to another folder" in str(found.value)
    (tmp_path / "mine").mkdir()
    own = twin.rename(tmp_path / "mine" / twin.name)
    assert read_csv(own)["score"].tolist()[-1] == 0.95


def test_a_damaged_seal_is_an_error_of_the_file(path: Path) -> None:
    for seal in (b"{", b"[]", b'{"provenance": 1}'):
        table = pq.read_table(path)
        metadata = {**table.schema.metadata, SEAL_KEY: seal}
        pq.write_table(table.replace_schema_metadata(metadata), path)
        with pytest.raises(DataError, match=r"scores\.parquet"):
            read_frame(path)


def test_how_a_table_is_cut_does_not_matter(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(_frame(), preserve_index=False)
    whole, parts = ColumnHashes(table.column_names), ColumnHashes(table.column_names)
    whole.add(table)
    for start in range(3):
        parts.add(table.slice(start, 1))
    assert whole.found() == parts.found()
    path = tmp_path / "pool.parquet"
    schema = table.schema.remove_metadata()
    pieces = (table.slice(n, 1).cast(schema) for n in range(3))
    write_tables(path, pieces, schema, lambda: ORIGIN)
    assert len(read_frame(path)) == 3 and read_provenance(path) == ORIGIN
    _rewrite(path, _other_poses)
    with pytest.raises(DataError, match="the column poses has other values"):
        read_frame(path)
