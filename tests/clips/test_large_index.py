"""An index of many clips: frames kept once, tables that are mapped, files looked at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reworld_agent.benchmarks.data.index import made_up_rows
from reworld_agent.clips import index as index_module
from reworld_agent.clips.build import build_index
from reworld_agent.clips.index import FORMAT, ClipIndex, read_index, write_index, write_rows
from reworld_agent.clips.sources import Options
from reworld_agent.clips.splits import split_rule
from reworld_agent.clips.table import files
from reworld_agent.clips.table.rows import COLUMNS, POSE
from reworld_agent.clips.windows import ClipShape
from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import write_tables
from tests.clips.media import frame, write_images, write_video
from tests.clips.tables import write_nuscenes


@pytest.fixture(autouse=True)
def _every_index_is_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(index_module, "_LARGE", 0)


def _same(row: Mapping[str, Any], expected: Mapping[Any, Any]) -> None:
    assert list(row) == list(COLUMNS)
    for name in COLUMNS:
        if name in POSE and expected[name] is not None:
            np.testing.assert_allclose(row[name], expected[name], rtol=0, atol=1e-9)
        elif isinstance(expected[name], list | np.ndarray):
            assert list(row[name]) == list(expected[name]), name
        else:
            assert row[name] == expected[name], name


def test_frames_are_kept_once_and_rows_are_as_they_were(tmp_path: Path) -> None:
    table = pa.concat_tables(made_up_rows(1100, 25))
    write_rows(tmp_path / "i.parquet", [table], tmp_path, dict)
    found = read_index(tmp_path / "i.parquet")
    written = pd.read_parquet(tmp_path / "i.parquet")  # by pandas, which knows nothing of tables
    for number in (0, 1, 40, 999, 1000, 1099):
        _same(found.row(number), written.iloc[number].to_dict())
    # two drives of 1000 and 100 clips that go on after 12 frames each
    assert len(found.store.frames) == 2 * 25 + 12 * (999 + 99)
    assert len(found.store.recordings) == 2 and found.store.row_bytes < 200
    assert found.distinct("scene") == sorted(set(written["scene"]))
    assert found.take([3, 1000]).column("clip_id") == list(written["clip_id"].iloc[[3, 1000]])
    assert found.take([3, 1000]).value("start_s", 1) == 0.0


def test_rows_that_share_no_motion(tmp_path: Path) -> None:
    """Poses that contradict those of the clip before are kept as they are."""
    rows = next(made_up_rows(4, 25)).to_pandas()
    rows["x"] = [x * (1.5 if k == 2 else 1.0) for k, x in enumerate(rows["x"])]
    odd = ClipIndex.of_rows(rows, tmp_path, {})
    for number in range(4):
        _same(odd.row(number), rows.iloc[number].to_dict())
    assert len(odd.store.frames) == 4 * 25


def test_videos_and_images_without_motion(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    write_video(tmp_path / "d" / "v.mp4", [frame(k) for k in range(20)])
    write_images(tmp_path / "d" / "i", [frame(k) for k in range(20)])
    shape = ClipShape(fps=4, frames=4, stride=2)
    built, _ = build_index("folder", tmp_path / "d", shape, split_rule(""), Options(fps=8))
    write_index(tmp_path / "i.parquet", built)
    found = read_index(tmp_path / "i.parquet")
    assert len(found) == len(built) > 4 and set(found.column("kind")) == {"images", "video"}
    for number in range(len(found)):
        _same(found.row(number), built.row(number))
        assert found.row(number)["speed"] is None
    found.check_files()
    write_video(tmp_path / "d" / "v.mp4", [frame(k) for k in range(11, -1, -1)] * 2)
    with pytest.raises(DataError, match="clips are not as they were indexed"):
        found.check_files()


def test_files_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_nuscenes(tmp_path / "nuscenes", scenes=1)
    shape = ClipShape(fps=8, frames=9, stride=8)
    built, _ = build_index("nuscenes", root, shape, split_rule("train"), Options())
    write_index(tmp_path / "i.parquet", built)
    looks: list[Path] = []
    look = files.file_size
    monkeypatch.setattr(files, "file_size", lambda path: looks.append(path) or look(path))  # type: ignore[func-returns-value]
    read_index(tmp_path / "i.parquet").check_files()
    names = {name for k in range(len(built)) for name in built.row(k)["files"]}
    assert len(looks) == len(names)  # each once, though clips share them
    read_index(tmp_path / "i.parquet").check_files()
    read_index(tmp_path / "i.parquet").split("train").check_files()
    assert len(looks) == len(names)  # remembered
    (root / built.row(0)["files"][2]).unlink()
    with pytest.raises(DataError, match=r"1 of \d+ files of the index are gone"):
        read_index(tmp_path / "i.parquet").check_files()


def _read(path: Path, counts: Any) -> None:
    counts.put(len(read_index(path)))


def test_processes_that_ask_at_once_make_one_table(tmp_path: Path) -> None:
    write_rows(tmp_path / "i.parquet", made_up_rows(300, 9), tmp_path, dict)
    context = multiprocessing.get_context("fork")
    counts: Any = context.Queue()
    readers = [context.Process(target=_read, args=(tmp_path / "i.parquet", counts)) for _ in "ab"]
    for reader in readers:
        reader.start()
    assert [counts.get() for _ in readers] == [300, 300]
    for reader in readers:
        reader.join()
    assert len([p for p in (tmp_path / "home" / "clips").iterdir() if p.is_dir()]) == 1


def test_damaged_tables_are_told_of(tmp_path: Path) -> None:
    write_rows(tmp_path / "i.parquet", made_up_rows(30, 9), tmp_path, dict)
    memory = read_index(tmp_path / "i.parquet").memory
    assert memory is not None
    table = memory / "frames.arrow"
    table.write_bytes(table.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"cannot be read[\s\S]*delete .*: they are made again"):
        read_index(tmp_path / "i.parquet")


def test_an_index_of_wrong_cells(tmp_path: Path) -> None:
    path = tmp_path / "i.parquet"
    write_rows(path, made_up_rows(3, 9), tmp_path, dict)
    whole = pq.read_table(path)
    for name, values, message in (
        ("fps", [8.0, float("nan"), 8.0], "fps of row 1 must be a finite number"),
        ("scene", ["a", "b", None], "scene of row 2 must be a text"),
        ("indices", [[0] * 9, [-1] * 9, [0] * 9], "frames of row 1 are not 9"),
        ("timestamps", [[0] * 9, [0] * 9, [0]], "frames of row 2 are not 9"),
        ("command", [["left"] * 9, ["up"] * 9, ["left"] * 9], "frames of row 1 are not 9"),
        ("speed", [[1.0] * 9, None, [1.0] * 9], "frames of row 1 are not 9"),
        ("files", [1, 2, 3], "files of row 0 must be a list"),
    ):
        place = whole.schema.get_field_index(name)
        table = whole.set_column(place, name, pa.array(values))
        write_tables(path, [table], table.schema, lambda: {"format": FORMAT, "root": "/"})
        with pytest.raises(DataError, match=message):
            read_index(path)
