"""Which data scene caches were built from is told by content: not by places, names or times."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reworld_agent.core.records import file_hashes
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.scenes.log_index import open_index
from tests.pdm.straight_road import scene
from tests.scenes.small_logs import SPLIT, make_log, write_split


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two logs, a map and a synthetic scene, of which only the bytes count here."""
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path / "home"))
    root = tmp_path / "data"
    write_split(root, {name: make_log(name, 4) for name in ("a", "b")})
    for name in ("maps/boston/1/map.gpkg", "synthetic/s.pkl"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"one content")
    return root


def _digest(root: Path, read: bool = False) -> str:
    """As another process finds it; with its logs read before, or only hashed."""
    folder = root / "navsim_logs" / SPLIT
    if read:
        assert [*open_index(folder).read()]
    return SceneCaches(root, root / "maps", SPLIT, None, root / "synthetic").data_digest


def _as_before(path: Path, before: os.stat_result) -> None:
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


_FILES = (f"navsim_logs/{SPLIT}/a.pkl", "maps/boston/1/map.gpkg", "synthetic/s.pkl")


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("name", _FILES)
def test_other_bytes_of_the_same_size_and_time(root: Path, name: str, read: bool) -> None:
    path, first = root / name, _digest(root, read)
    before, content = path.stat(), path.read_bytes()
    path.write_bytes(content.replace(b"on", b"no", 1))
    _as_before(path, before)
    assert _digest(root, read) != first
    path.write_bytes(content)
    assert _digest(root, read) == first


def test_data_may_be_copied_and_moved(root: Path, tmp_path: Path) -> None:
    first = _digest(root)
    assert _digest(root, read=True) == first
    for name in _FILES:
        path = root / name
        shutil.copyfile(path, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)
        os.utime(path, (1, 1))
    assert _digest(root) == first
    moved = tmp_path / "elsewhere"
    root.rename(moved)
    assert _digest(moved) == first
    write_split(moved, {"c": make_log("c", 4)})
    assert _digest(moved) != first


def test_a_copied_log_keeps_its_caches_and_another_does_not(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []

    def build(_: SceneCaches, token: str) -> object:
        built.append(token)
        made = scene()
        made.token = token
        return made

    monkeypatch.setattr(SceneCaches, "build", build)

    def get() -> list[str]:
        built.clear()
        SceneCaches(root, root / "maps", SPLIT, root / "caches").get("t")
        return [*built]

    assert get() == ["t"] and get() == []
    path = root / _FILES[0]
    before, content = path.stat(), path.read_bytes()
    path.write_bytes(content)
    assert get() == []
    path.write_bytes(content.replace(b"boston", b"oregon"))
    _as_before(path, before)
    assert get() == ["t"]


def _damaged(store: Path) -> None:
    store.write_bytes(store.read_bytes()[:-40])


def _of_anyone(store: Path) -> None:
    store.write_text(store.read_text().replace("a", "b"))
    store.chmod(0o666)


@pytest.mark.parametrize("change", [_damaged, _of_anyone])
def test_a_record_of_hashes_that_is_not_ours_is_not_believed(
    root: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _digest(root)
    hashed: list[Path] = []

    def note(path: Path) -> str:
        hashed.append(path)
        return "of this path"

    monkeypatch.setattr(file_hashes, "file_sha256", note)
    assert _digest(root) == first and not hashed
    for store in (root.parent / "home" / "file_hashes").iterdir():
        change(store)
    assert _digest(root) != first and len(hashed) == 4
