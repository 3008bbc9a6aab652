"""Scene caches that a score could not be made from are found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import pytest

from reworld_agent import pdm
from reworld_agent.core.findings import FAIL, OK, WARN, Finding
from reworld_agent.doctor.caches import check_caches


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of one whole cache and its manifest."""
    folder = tmp_path / "toy-0123"
    folder.mkdir()
    with resources.as_file(
        resources.files("reworld_agent.pdm") / "golden_scene" / "scene.npz"
    ) as source:
        token = pdm.load(source).token
        shutil.copy(source, folder / f"{token}.npz")
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

    monkeypatch.setattr(caches, "_current", lambda split, root: root / "toy-4567")
    coming, stale = check_caches(tmp_path, "toy")
    assert coming.status == OK and "next run builds them" in coming.what
    assert stale.status == WARN and "no run reads it" in stale.what
    monkeypatch.setattr(caches, "_current", lambda split, root: folder)
    assert [found.status for found in check_caches(tmp_path, "toy")] == [OK]
