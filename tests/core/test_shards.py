"""Rows on disk: atomic, resumable, never of another run."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow.parquet as pq
import pytest

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.result_tables import check_writable, read_provenance, write_parquet
from reworld_agent.core.shards import PartStore, remove_stores
from reworld_agent.core.vocabulary import DRIVE_SCORES_FILE, SCORES_FILE

WRITER = """
import sys
from pathlib import Path
from reworld_agent.core import shards as parts
parts.FLUSH_S = 0.0
store = parts.PartStore(Path(sys.argv[1]), ("token",), {})
done = store.rows()
start = 0 if done.empty else len(done)
for number in range(start, int(sys.argv[2])):
    store.add([{"token": str(number), "value": number}])
    print(number, flush=True)
store.flush()
"""


def test_the_latest_row_of_a_key_counts(tmp_path: Path) -> None:
    store = PartStore(tmp_path / "parts", ("token",), {"agent": "a"})
    assert store.rows().empty
    store.add([{"token": "x", "value": 1.0}, {"token": "y", "value": 2.0}])
    store.flush()
    store.add([{"token": "x", "value": 3.0, "more": "z"}])
    store.flush()
    rows = PartStore(tmp_path / "parts", ("token",), {"agent": "a"}).rows()
    assert dict(zip(rows["token"], rows["value"], strict=True)) == {"x": 3.0, "y": 2.0}


def test_rows_of_another_run_are_not_mixed(tmp_path: Path) -> None:
    store = PartStore(tmp_path / "parts" / "rows", ("token",), {"weights": "1", "split": "s"})
    store.add([{"token": "x"}])
    store.flush()
    with pytest.raises(
        ConfigError, match=f"{tmp_path} holds an unfinished run with another weights"
    ):
        PartStore(tmp_path / "parts" / "rows", ("token",), {"weights": "2", "split": "s"})
    fresh = PartStore(tmp_path / "parts" / "rows", ("token",), {"weights": "2"}, resume=False)
    assert fresh.rows().empty


def test_stores_are_removed_and_nothing_else(tmp_path: Path) -> None:
    parts = tmp_path / "out.parquet.parts"
    for name in ("a", "b"):
        PartStore(parts / name, ("token",), {"protocol": name})
    (parts / "thesis").mkdir()
    (parts / "thesis" / "chapter.txt").touch()
    remove_stores(parts)
    assert [path.name for path in parts.rglob("*")] == ["thesis", "chapter.txt"]
    (parts / "thesis" / "chapter.txt").unlink()
    (parts / "thesis").rmdir()
    PartStore(parts / "a", ("token",), {})
    remove_stores(parts)
    remove_stores(parts)  # also where there is none
    assert not parts.exists()


def test_kill_9_loses_nothing_that_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    command = [sys.executable, "-c", WRITER, str(folder)]
    process = subprocess.Popen([*command, "100000"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    deadline = time.monotonic() + 30
    seen = -1
    while seen < 20 and time.monotonic() < deadline:
        seen = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    written = PartStore(folder, ("token",), {}).rows()
    assert len(written) >= 20
    total = len(written) + 15
    subprocess.run([*command, str(total)], check=True, capture_output=True)
    rows = PartStore(folder, ("token",), {}).rows()
    assert rows["value"].tolist() == list(range(total))


def test_a_torn_part_is_made_again(tmp_path: Path) -> None:
    store = PartStore(tmp_path / "parts", ("token",), {})
    for token in ("x", "y"):
        store.add([{"token": token}])
        store.flush()
    torn = sorted((tmp_path / "parts").glob("part-*"))[0]
    torn.write_bytes(torn.read_bytes()[:50])
    with pytest.warns(UserWarning, match="made again"):
        assert store.rows()["token"].tolist() == ["y"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "scores.parquet"
    write_parquet(path, pd.DataFrame({"a": [1]}), {"protocol": "p"})

    def fill(table: object, stream: BinaryIO, **options: object) -> None:
        stream.write(b"half")
        raise OSError(number, "No space left on device")

    monkeypatch.setattr(pq, "write_table", fill)
    with pytest.raises(DataError, match=r"scores\.parquet: the disk is full.*intact") as caught:
        write_parquet(path, pd.DataFrame({"a": [2]}), {})
    assert "same output_dir" in str(caught.value)
    assert pd.read_parquet(path)["a"].tolist() == [1]
    assert read_provenance(path) == {"protocol": "p"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"output_dir=.*file/out is not writable"):
        check_writable(tmp_path / "file" / "out", SCORES_FILE)
    check_writable(tmp_path / "new" / "folder", SCORES_FILE)
    (tmp_path / "new" / "folder" / SCORES_FILE).touch()
    check_writable(tmp_path / "new" / "folder", SCORES_FILE)
    with pytest.raises(ConfigError, match=r"folder holds a run of `reworld score`"):
        check_writable(tmp_path / "new" / "folder", DRIVE_SCORES_FILE)
