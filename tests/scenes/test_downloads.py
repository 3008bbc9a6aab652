"""Downloads as the scripts leave them, and variables that name another folder, are recognised."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from reworld_agent.core.errors import UsageError
from reworld_agent.scenes.downloads import find_download
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.preflight import preflight
from reworld_agent.scenes.roots import own_roots
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.scenes.types import SensorConfig
from tests.scenes.small_logs import SPLIT, make_log, write_images, write_split

FRONT = SensorConfig(**{**SensorConfig.build_no_sensors().__dict__, "cam_f0": True})
LEFT = {
    "as v2's script": ("small_navsim_logs/small", "small_sensor_blobs/small"),
    "without moving": ("openscene-v1.1/meta_datas/small", "openscene-v1.1/sensor_blobs/small"),
    "without the inner folder": ("small_navsim_logs", "small_sensor_blobs"),
    "beside other splits": ("download/meta_datas/small", "download/sensor_blobs/small"),
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with logs, images and maps, named by the variables."""
    root = tmp_path / "data set"  # with a space
    frames = make_log("a", 14)
    write_split(root, {"a": frames})
    write_images(root, frames)
    (root / "maps" / "us-ma-boston" / "1").mkdir(parents=True)
    (root / "maps" / "us-ma-boston" / "1" / "map.gpkg").write_bytes(b"")
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(root))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(root / "maps"))
    return root


def _move(root: Path, kind: str, place: str) -> None:
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / kind / SPLIT).rename(root / place)
    (root / kind).rmdir()


@pytest.mark.parametrize("layout", LEFT)
def test_what_a_script_left_is_found_and_the_command_helps(root: Path, layout: str) -> None:
    for kind, place in zip(("navsim_logs", "sensor_blobs"), LEFT[layout], strict=True):
        _move(root, kind, place)
        (root / "sensor_blobs_of_another" / "x").mkdir(parents=True, exist_ok=True)
        if (root / place).parent != root:
            (root / place).with_name("other").mkdir()
    with pytest.raises(UsageError, match="the logs lie in") as caught:
        own_roots(SPLIT)
    assert caught.value.hint is not None and "mv for ln" in caught.value.hint
    for command in caught.value.hint.split(" ; "):
        subprocess.run(command.partition("  (or")[0], shell=True, check=True)
    loader = resolve_split(SPLIT).loader(SceneFilter(num_future_frames=10), FRONT)
    preflight(loader, FRONT).raise_if_missing()
    assert find_download(root, "navsim_logs", "nowhere") is None


@pytest.mark.parametrize(
    ("split", "folder"),
    [("navtest", "test"), ("navtrain", "trainval"), ("warmup_two_stage", "test")],
)
def test_a_split_of_the_devkit_is_known_by_the_folder_of_its_logs(
    root: Path, split: str, folder: str
) -> None:
    hint = f"over navsim_logs/{folder}: export NAVSIM_DEVKIT_ROOT"
    with pytest.raises(UsageError, match=f"has no navsim_logs/{split}") as caught:
        own_roots(split)
    assert caught.value.hint is not None and hint in caught.value.hint
    _move(root, "navsim_logs", f"{folder}_navsim_logs/{folder}")
    with pytest.raises(UsageError, match=f"has no navsim_logs/{folder}; the logs lie in") as caught:
        own_roots(split)
    assert caught.value.hint is not None and caught.value.hint.startswith("mkdir -p ")


def test_images_alone_that_lie_elsewhere(root: Path) -> None:
    _move(root, "sensor_blobs", "small_sensor_blobs/small")
    report = preflight(resolve_split(SPLIT).loader(SceneFilter(), FRONT), FRONT)
    (error,) = report.errors()
    assert error.hint is not None and error.hint.startswith("mkdir -p ")
    assert shlex.quote(str(root / "small_sensor_blobs" / "small")) in error.hint


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ("nowhere", "the folder that holds navsim_logs"),
        ("data set/navsim_logs", "OPENSCENE_DATA_ROOT='{root}'"),
        (".", "OPENSCENE_DATA_ROOT='{root}'"),
    ],
)
def test_a_wrong_data_root_is_named(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, data: str, hint: str
) -> None:
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path / data))
    with pytest.raises(UsageError, match="OPENSCENE_DATA_ROOT=") as caught:
        own_roots("mini")
    assert caught.value.hint is not None and hint.format(root=root) in caught.value.hint


def test_a_wrong_maps_root_is_named(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for maps in ("data set", "data set/maps/us-ma-boston"):
        monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path / maps))
        report = preflight(resolve_split(SPLIT).loader(SceneFilter()), FRONT)
        (error,) = (error for error in report.errors() if "maps" in error.message)
        assert error.hint == f"export NUPLAN_MAPS_ROOT='{root / 'maps'}'"
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path / "x" / "nowhere"))
    (error,) = preflight(resolve_split(SPLIT).loader(SceneFilter()), FRONT).errors()
    assert error.hint is not None and "nowhere does not" in error.hint


def test_a_root_nearby_is_named_where_it_helps(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = root / "runs"
    for name in ("one", "another"):
        (below / name / "navsim_logs" / "other").mkdir(parents=True)
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(below))
    for split, hint in ((SPLIT, f"export OPENSCENE_DATA_ROOT='{root}'"), ("of_none", "it is the")):
        with pytest.raises(UsageError, match="holds no folder navsim_logs") as caught:
            resolve_split(split)
        assert str(caught.value.hint).startswith(hint)


@pytest.mark.parametrize("below", ["navsim_logs", f"navsim_logs/{SPLIT}"])
def test_a_root_inside_the_logs(root: Path, monkeypatch: pytest.MonkeyPatch, below: str) -> None:
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(root / below))
    with pytest.raises(UsageError, match="lies in the folder navsim_logs") as caught:
        resolve_split(SPLIT)
    assert caught.value.hint == f"export OPENSCENE_DATA_ROOT='{root}'"
