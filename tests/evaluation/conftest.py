"""A small split with images, and the fake scorer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation.fakes import FakeScorer
from tests.scenes.small_logs import SPLIT, make_log, write_images, write_split


@pytest.fixture
def small_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data root of split `small`: two logs, 20 frames each, 14 scenes; the environment names it."""
    root = tmp_path / "data"
    logs = {name: make_log(name, 20, speed=speed) for name, speed in (("a", 5.0), ("b", 8.0))}
    write_split(root, logs)
    for frames in logs.values():
        write_images(root, frames)
    maps = root / "maps" / "us-ma-boston" / "1"
    maps.mkdir(parents=True)
    (maps / "map.gpkg").write_bytes(b"")
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(root))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(root / "maps"))
    return root


@pytest.fixture
def blobs(small_split: Path) -> Path:
    """Folder of the small split's sensor data."""
    return small_split / "sensor_blobs" / SPLIT


@pytest.fixture
def scorer(monkeypatch: pytest.MonkeyPatch) -> FakeScorer:
    """The fake scorer, installed."""
    return FakeScorer().install(monkeypatch)
