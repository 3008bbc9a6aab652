"""Scene cache files: whole or refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.errors import DataError
from reworld_agent.pdm import cache as cache_module
from tests.pdm.straight_road import scene, straight

BOXES = {"a": ("vehicle", 30.0, 0.0, 0.0, 5.0), "b": ("traffic_cone", 9.0, -3.0, 0.0, 0.0)}


def test_a_saved_cache_is_the_same_wherever_it_lies(tmp_path: Path) -> None:
    before = scene(BOXES)
    before.save(tmp_path / "new" / "one.npz")
    (tmp_path / "new").rename(tmp_path / "moved")
    after = pdm.load(tmp_path / "moved" / "one.npz")
    for field in dataclasses.fields(before):
        left, right = getattr(before, field.name), getattr(after, field.name)
        np.testing.assert_array_equal(left, right, err_msg=field.name)
        assert type(left) is type(right)
    poses = straight(5.0, 8.0)
    for left, right in zip(
        pdm.score(before, poses).values(), pdm.score(after, poses).values(), strict=True
    ):
        np.testing.assert_array_equal(left, right)


def test_no_tracks_and_no_polygons(tmp_path: Path) -> None:
    empty = scene(polygons=[])
    empty.save(tmp_path / "empty.npz")
    result = pdm.score(pdm.load(tmp_path / "empty.npz"), straight(8.0))
    assert result["drivable_area_compliance"][0] == 0.0


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.npz"):
        pdm.load(tmp_path / "nothing.npz")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.99])
def test_a_half_written_file(tmp_path: Path, share: float) -> None:
    path = tmp_path / "half.npz"
    scene(BOXES).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"half\.npz"):
        pdm.load(path)


def test_damage_inside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    scene(BOXES).save(path)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(bytes(whole))
    with pytest.raises(DataError, match=r"bad\.npz"):
        pdm.load(path)


def test_another_format_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "old.npz"
    monkeypatch.setattr(cache_module, "FORMAT_VERSION", cache_module.FORMAT_VERSION - 1)
    scene().save(path)
    monkeypatch.undo()
    with pytest.raises(DataError, match="build it again"):
        pdm.load(path)


def test_nothing_in_the_file_is_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    scene(BOXES).save(path)
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype == np.uint8 for name in archive.files)
