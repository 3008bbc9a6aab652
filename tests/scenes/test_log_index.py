"""Which log holds which token, and when a folder of logs is looked through again."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.scenes import log_index
from reworld_agent.scenes.log_index import LogEntry, LogIndex, find_frame, open_index
from tests.scenes.small_logs import SPLIT, make_log, write_split


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two logs of 20 frames; the folder changed long ago."""
    write_split(tmp_path, {name: make_log(name, 20) for name in ("a", "b")})
    found = tmp_path / "navsim_logs" / SPLIT
    _changed_long_ago(found)
    return found


def _changed_long_ago(folder: Path) -> None:
    os.utime(folder, ns=(0, folder.stat().st_mtime_ns - 10_000_000_000))


def _count_listings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    listed: list[Path] = []
    original = log_index.list_logs

    def count(folder: Path) -> list[Path]:
        listed.append(folder)
        return original(folder)

    monkeypatch.setattr(log_index, "list_logs", count)
    return listed


def test_a_folder_at_rest_is_listed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = _count_listings(monkeypatch)
    tokens = [frame["token"] for frame in make_log("b", 20)]
    found = [find_frame(folder, token) for token in tokens]
    assert found == [(folder / "b.pkl", index) for index in range(20)]
    assert len(listed) == 1


def test_a_new_log_is_seen(folder: Path) -> None:
    first = open_index(folder)
    write_split(folder.parents[1], {"c": make_log("c", 20)})
    token = make_log("c", 20)[3]["token"]
    assert find_frame(folder, token) == (folder / "c.pkl", 3)
    assert open_index(folder) is not first
    (folder / "c.pkl").unlink()
    with pytest.raises(SceneError, match=f"token {token} is in none of the 2 logs"):
        find_frame(folder, token)


def test_a_log_that_was_replaced_is_read_again(folder: Path) -> None:
    index = open_index(folder)
    old = make_log("a", 20)[7]["token"]
    assert find_frame(folder, old)[1] == 7
    write_split(folder.parents[1], {"a": make_log("a", 20)[5:]})
    assert find_frame(folder, old)[1] == 2
    assert open_index(folder) is index  # the list of logs is the same


def test_a_folder_that_just_changed_is_not_trusted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(folder)
    open_index(folder)
    listed = _count_listings(monkeypatch)
    open_index(folder)
    assert len(listed) == 1


def test_a_folder_that_is_gone(folder: Path) -> None:
    open_index(folder)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(DataError, match="no such folder of logs"):
        open_index(folder)


def test_other_processes_read_the_same_in_the_same_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_split(folder.parents[1], {f"c{n}": make_log(f"c{n}", 4) for n in range(6)})
    (folder / "b.pkl").write_bytes((folder / "b.pkl").read_bytes()[:-9])
    known = LogIndex(folder, folder.parent / "one.json")
    here = list(known.read())
    monkeypatch.setattr(log_index, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(log_index, "_PORTION", 20_000)
    index = LogIndex(folder, folder.parent / "two.json")
    index.entry(folder / "c3.pkl")  # one is known before
    there = list(index.read(workers=2))
    assert len(here) == len(there) == 8
    for ours, theirs in zip(here, there, strict=True):
        if isinstance(ours, LogEntry):
            assert ours == theirs
        else:
            assert isinstance(theirs, DataError) and "b.pkl: not a whole pickle" in ours.message
            assert (ours.message, ours.hint) == (theirs.message, theirs.hint)
    monkeypatch.setattr(log_index, "_entry_of", None)  # nothing is opened again
    assert [index.entry(path) for path in index.paths if path.stem != "b"] == [
        entry for entry in here if isinstance(entry, LogEntry)
    ]


@pytest.mark.parametrize("target", ["nowhere.pkl", "b2.pkl"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_link_that_leads_nowhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch, target: str, workers: int
) -> None:
    (folder / "b2.pkl").symlink_to(folder / target)
    monkeypatch.setattr(log_index, "_WORTH_PROCESSES", 0 if workers == 1 else 1 << 40)
    found = list(LogIndex(folder, folder.parent / "one.json").read(workers=workers))
    (error,) = (entry for entry in found if isinstance(entry, DataError))
    assert len(found) == 3 and "b2.pkl: cannot read the log (" in error.message


def test_the_first_logs_may_be_enough(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who leaves after the first leaves no process behind, and nothing half known."""
    monkeypatch.setattr(log_index, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(log_index, "_PORTION", 1)
    entries = LogIndex(folder, folder.parent / "index.json").read(workers=2)
    assert isinstance(next(entries), LogEntry)
    entries.close()  # type: ignore[attr-defined]
    for child in multiprocessing.active_children():
        child.join(60)  # a busy machine lets them end late
    assert not multiprocessing.active_children()
