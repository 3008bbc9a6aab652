"""Scene caches that a score could not be made from are found."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pytest

from reworld_agent import pdm
from reworld_agent.core.findings import FAIL, OK, WARN, Finding
from reworld_agent.doctor.caches import check_caches
from reworld_agent.pdm.cache_io.digests import DigestList
from reworld_agent.pdm.scene_cache import SceneCache


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of one whole cache and its manifest."""
    folder = tmp_path / "toy-0123"
    folder.mkdir()
    with resources.as_file(
        resources.files("reworld_agent.pdm") / "golden_scene" / "scene.npz"
    ) as source:
        cache = pdm.load(source)
    digest = dataclasses.replace(cache, origin="0123").save(folder / f"{cache.token}.npz")
    DigestList(folder).add(cache.token, digest)
    manifest = {"data_split": "toy", "digest": "0123", "code_version": "1", "numpy": "2"}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _only(root: Path) -> Finding:
    findings: Sequence[Finding] = list(check_caches(root))
    assert len(findings) == 1
    return findings[0]


def test_none_and_whole_ones(tmp_path: Path, folder: Path) -> None:
    assert _only(tmp_path / "absent").status == OK
    found = _only(tmp_path)
    assert found.status == OK and found.name == "caches toy-0123"
    assert "1 scenes" in found.what and "split toy" in found.what


@pytest.mark.parametrize("keep", [0, 100, -40])
def test_truncated(tmp_path: Path, folder: Path, keep: int) -> None:
    (path,) = folder.glob("*.npz")
    path.write_bytes(path.read_bytes()[:keep])
    found = _only(tmp_path)
    assert found.status == WARN and path.name in found.what
    assert found.fix.startswith(f"rm '{path}'")


def test_half_written_foreign_and_misnamed(tmp_path: Path, folder: Path) -> None:
    (folder / "notes.txt").write_text("")
    assert "no caches: notes.txt" in _only(tmp_path).what
    (folder / ".x.npz.partial.npz").write_bytes(b"PK")
    assert "not whole" in _only(tmp_path).what
    (path,) = (item for item in folder.glob("*.npz") if not item.name.startswith("."))
    shutil.copy(path, folder / "0000000000000000.npz")
    found = _only(tmp_path)
    assert found.status == FAIL and "another scene than their name: 0000000000000000" in found.what


def test_manifest_missing_broken_or_of_another_folder(tmp_path: Path, folder: Path) -> None:
    (folder / "manifest.json").write_text('{"data_split": "mini", "digest": "0123"}')
    assert "its manifest is of another folder (mini-0123)" in _only(tmp_path).what
    for content in ("{", "[]"):
        (folder / "manifest.json").write_text(content)
        assert _only(tmp_path).status == WARN
    (folder / "manifest.json").unlink()
    assert "no readable manifest.json" in _only(tmp_path).what


def test_folders_of_a_split_that_no_run_reads(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reworld_agent.doctor import caches

    class Current:
        folder = tmp_path / "toy-4567"

        def build(self, token: str) -> SceneCache:
            """What the file holds already."""
            return pdm.load(folder / f"{token}.npz")

    current = Current()
    monkeypatch.setattr(caches, "_current", lambda split, root: current)
    coming, stale = check_caches(tmp_path, "toy")
    assert coming.status == OK and "next run builds them" in coming.what
    assert stale.status == WARN and "no run reads it" in stale.what
    current.folder = folder
    (found,) = check_caches(tmp_path, "toy")
    assert found.status == OK and "1 built anew, equal" in found.what
    (path,) = folder.glob("*.npz")
    before = pdm.load(path)
    monkeypatch.setattr(Current, "build", lambda _, token: dataclasses.replace(before, time_us=2))
    (found,) = check_caches(tmp_path, "toy")
    assert found.status == FAIL and f"give: {path.name}" in found.what


def _without_traffic(cache: SceneCache) -> SceneCache:
    none = {f"track_{key}": getattr(cache, f"track_{key}")[:0] for key in ("token", "type", "size")}
    none |= {f"track_{key}": getattr(cache, f"track_{key}")[:0] for key in ("speed", "heading")}
    sightings = cache.track_sightings[:0]
    pose = cache.track_pose[:, :0]
    return dataclasses.replace(cache, **none, track_pose=pose, track_sightings=sightings)


def test_changed_copied_and_unlisted(tmp_path: Path, folder: Path) -> None:
    (path,) = folder.glob("*.npz")
    whole, cache = path.read_bytes(), pdm.load(path)
    _without_traffic(cache).save(path)
    found = _only(tmp_path)
    assert found.status == FAIL and f"give: {path.name}" in found.what
    path.write_bytes(whole)
    assert _only(tmp_path).status == OK
    digest = dataclasses.replace(cache, origin="4567").save(path)  # of other data
    DigestList(folder).add(cache.token, digest)
    assert _only(tmp_path).status == FAIL
    (folder / "digests.txt").unlink()
    path.write_bytes(whole)
    found = _only(tmp_path)
    assert found.status == WARN and "1 of them in no list" in found.what
