"""A log is read with care once; what is known of it is known of its bytes, and of no others."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reworld_agent.core.errors import DataError
from reworld_agent.core.unpickle import load, load_known_pickle, load_pickle
from reworld_agent.core.unpickle.plain import read_plain
from reworld_agent.scenes import log_index, logs
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.log_index import LogIndex
from reworld_agent.scenes.logs import BOXES, CAMERAS, FRAME, STEP
from reworld_agent.scenes.preflight import preflight
from reworld_agent.scenes.sensors import SensorConfig
from tests.scenes.mutations import mutate
from tests.scenes.small_logs import make_log, write_split
from tests.scenes.test_hostile_pickles import HOSTILE, _array, _call, _dtype, _name, _text


@pytest.fixture
def plainly(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Bytes that are read without care; this process has read no log before."""
    found: list[bytes] = []

    def note(data: bytes) -> Any:
        found.append(data)
        return read_plain(data)

    monkeypatch.setattr(load, "read_plain", note)
    monkeypatch.setattr(logs, "_KNOWN", {})
    logs._load_log.cache_clear()
    yield found
    logs._load_log.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_split(tmp_path, {name: make_log(name, 20) for name in ("a", "b")})


def _index(folder: Path) -> LogIndex:
    """An index that was kept, opened by another process."""
    store = folder.parent / "index.json"
    first = LogIndex(folder, store)
    for path in first.paths:
        first.entry(path)
    first.keep(worth_s=0.0)
    logs._KNOWN.clear()
    logs._load_log.cache_clear()
    return LogIndex(folder, store)


def test_a_known_log_is_read_plainly_and_is_the_same(folder: Path, plainly: list[bytes]) -> None:
    _index(folder)
    frames = logs.load_log(folder / "a.pkl")
    assert plainly == [(folder / "a.pkl").read_bytes()]
    with_care = load_pickle(folder / "a.pkl")
    np.testing.assert_equal([*frames], with_care)
    assert repr([*frames]) == repr(with_care)
    frames[0]["anns"]["gt_boxes"][0] = 1  # may be written to


def test_other_bytes_of_the_same_name_size_and_time_are_read_with_care(
    folder: Path, plainly: list[bytes]
) -> None:
    _index(folder)
    path = folder / "a.pkl"
    before = path.stat()
    hostile = b"\x80\x04" + HOSTILE["objects whose dtype hides them"] + b"."
    path.write_bytes(hostile.ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    with pytest.raises(DataError, match=r"a\.pkl"):
        logs.load_log(path)
    assert not plainly


def test_an_index_that_others_can_write_is_not_believed(folder: Path, plainly: list[bytes]) -> None:
    _index(folder)
    store = folder.parent / "index.json"
    assert store.stat().st_mode & 0o022 == 0
    store.chmod(0o666)
    logs._KNOWN.clear()
    index = LogIndex(folder, store)
    assert index._entries == {} and logs._KNOWN == {}
    logs.load_log(folder / "a.pkl")
    assert not plainly


def test_an_index_of_other_rules_is_not_believed(
    folder: Path, plainly: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_index, "rules", lambda: "of another version")
    _index(folder)
    monkeypatch.undo()
    assert LogIndex(folder, folder.parent / "index.json")._entries == {}


_F8 = _dtype("f8")


def _one(dtype: bytes) -> bytes:
    return _array(dtype, 1, bytes(8))


_MEMO = b"\x94"  # the first dtype is place 0 of the memo
UNUSUAL: dict[str, bytes] = {
    "flags that numpy would believe": _one(_dtype("f8", flags=63)),
    "a size that numpy would believe": _one(_F8.replace(b"J\xff\xff\xff\xff", b"K\x63", 1)),
    "numpy's own dtype, no copy": _one(_F8.replace(b"\x89\x88t", b"\x89\x89t")),
    "a dtype that is not filled": _one(_call("numpy", "dtype", _text("f8") + b"\x89\x88")),
    "filled twice": _one(_F8 + _F8[_F8.index(b"R") + 1 :]),
    "filled after use": b"(" + _F8 + _MEMO
    + _array(b"h\x00", 1, bytes(8)) + b"h\x00" + _F8[_F8.index(b"R") + 1 :] + b"t",
    "texts of no length": _array(_dtype("U0"), 3, b""),
    "the other byte order": _one(_dtype("f8", ">")),
    "objects": pickle.dumps(np.array([None, "a"], object), 4)[2:-1],
    "a set": pickle.dumps({1}, 2)[2:-1],
}  # fmt: skip


@pytest.mark.parametrize("kind", UNUSUAL)
def test_what_numpy_does_not_write_is_never_read_plainly(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04" + UNUSUAL[kind] + b".")
    assert not load_known_pickle(path, lambda sha256: False).plain


def test_an_array_of_another_class_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    start = _name("numpy", "dtype") + b"K\x00\x85C\x01b"
    path.write_bytes(b"\x80\x04" + _call("numpy.core.multiarray", "_reconstruct", start) + b".")
    with pytest.raises(DataError, match="another class"):
        load_pickle(path)


def test_a_plain_reading_names_nothing_else(tmp_path: Path) -> None:
    """Should a record be wrong about a file, the careful reading refuses it all the same."""
    for kind in ("a function filled", "bytearray of 8 GB", "a list of a range"):
        path = tmp_path / "a.pkl"
        path.write_bytes(b"\x80\x04" + HOSTILE[kind] + b".")
        with pytest.raises(DataError, match=r"a\.pkl"):
            load_known_pickle(path, lambda sha256: True)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_both_readings_of_mutated_logs_are_equal(tmp_path: Path, protocol: int) -> None:
    """Where the first reading says that a file is plain, the other gives the same."""
    draw, path = random.Random(protocol), tmp_path / "a.pkl"
    content = pickle.dumps([*make_log("a", 3), np.float64(0.1)], protocol)
    found = 0
    for _ in range(300):
        path.write_bytes(mutate(content, draw))
        try:
            read = load_known_pickle(path, lambda sha256: False)
        except DataError:
            continue
        if read.plain:
            found += 1
            again = load_known_pickle(path, lambda sha256: True).value
            np.testing.assert_equal(again, read.value)
            assert repr(again) == repr(read.value)
    assert found > 20 or protocol == 2


def test_checks_are_remembered_by_frame(folder: Path, plainly: list[bytes]) -> None:
    frames = make_log("a", 20)
    frames[3]["anns"]["gt_boxes"][0, 0] = np.nan
    frames[5]["ego_dynamic_state"] = [np.inf] * 4
    frames[9]["timestamp"] += 900_000
    del frames[12]["cams"]["CAM_B0"]
    write_split(folder.parents[1], {"a": frames})
    reading = _index(folder).entry(folder / "a.pkl").reading
    assert reading.unfit == {BOXES: (3, 5), FRAME: (5,), STEP: (5, 6, 9, 10), CAMERAS: (5, 12)}
    log = logs.load_log(folder / "a.pkl")
    assert log.reading() is reading
    for first, last, message in ((0, 4, "gt_boxes"), (4, 6, "ego_dynamic_state"), (6, 10, "a gap")):
        with pytest.raises(DataError, match=message):
            log.check(first, last)
    log.check(0, 5, annotations=False)
    log.check(6, 20, joined=3)


@pytest.mark.parametrize("known", [False, True])
def test_a_preflight_says_the_same_of_known_logs(
    folder: Path, plainly: list[bytes], known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = make_log("a", 20)
    frames[12]["anns"]["track_tokens"] = [1]
    write_split(folder.parents[1], {"a": frames})
    index = _index(folder) if known else LogIndex(folder, folder.parent / "none.json")
    monkeypatch.setattr("reworld_agent.scenes.loader.open_index", lambda path: index)
    loader = SceneLoader(folder, None, SceneFilter(frame_interval=1))
    opened: list[Path] = []

    def note(path: Path) -> logs.LogFrames:
        opened.append(path)
        return logs.load_log(path)

    monkeypatch.setattr("reworld_agent.scenes.preflight.load_log", note)
    report = preflight(loader, SensorConfig.build_no_sensors())
    assert opened == [folder / "a.pkl"]  # the log without faults is not opened again
    assert report.scenes == 14 and report.faults.count == 7
    assert "track_tokens is no list of texts" in report.faults.first[0][1].message
