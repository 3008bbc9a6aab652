"""Tables of kept work: what others have saved anew is not believed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import read_arrow, read_batches, write_arrow, write_tables
from reworld_agent.core.shards import PartStore


def test_edited_rows_of_a_store_are_made_again(tmp_path: Path) -> None:
    store = PartStore(tmp_path, ("token",), {})
    store.add([{"token": "a", "score": 0.5}])
    store.flush()
    store.add([{"token": "b", "score": 0.5}])
    store.flush()
    assert store.rows()["score"].tolist() == [0.5, 0.5]
    second = tmp_path / "part-000001.parquet"
    pd.read_parquet(second).assign(score=1.0).to_parquet(second)
    with pytest.warns(UserWarning, match=r"part-000001\.parquet .*: unreadable, its rows are made"):
        assert PartStore(tmp_path, ("token",), {}).rows()["token"].tolist() == ["a"]
    assert not second.exists()


def test_a_table_of_kept_work_is_ours(tmp_path: Path) -> None:
    path, table = tmp_path / "batch.parquet", pa.table({"score": [0.5, 0.25]})
    write_arrow(path, table)
    assert read_arrow(path, ours=True)["score"].to_pylist() == [0.5, 0.25]
    pq.write_table(table, path)
    assert read_arrow(path).num_rows == 2  # anyone's
    with pytest.raises(DataError, match="is not what was written: it was saved anew since"):
        read_arrow(path, ours=True)


def test_a_table_that_is_read_in_parts_is_checked_at_its_end(tmp_path: Path) -> None:
    path, table = tmp_path / "index.parquet", pa.table({"name": ["a", "b", "c"], "rate": [1, 2, 3]})
    write_tables(path, [table], table.schema, lambda: {"format": "x"})
    assert [len(part) for part in read_batches(path, ["name"], 2, "fix")] == [2, 1]
    metadata = pq.read_schema(path).metadata
    changed = table.set_column(0, "name", pa.array(["a", "b", "d"]))
    pq.write_table(changed.replace_schema_metadata(metadata), path)
    assert len(list(read_batches(path, ["rate"], 2, "fix"))) == 2
    with pytest.raises(DataError, match="the column name has other values"):
        list(read_batches(path, ["name", "rate"], 2, "fix"))
