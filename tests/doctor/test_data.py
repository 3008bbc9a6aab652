"""What a run would open is looked for before it starts."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from reworld_agent.core.errors import ConfigError, DataError, SceneError
from reworld_agent.core.findings import FAIL, OK, Finding, run_checks
from reworld_agent.doctor.data import check_data
from reworld_agent.evaluation.compose import compose
from reworld_agent.pdm.cache_io.build import build_scene_cache
from reworld_agent.scenes import log_index, logs
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.maps.city import CityMap
from reworld_agent.scenes.preflight import preflight
from reworld_agent.scenes.splits import DataRoots
from reworld_agent.scenes.types import SensorConfig
from tests.scenes.small_logs import CAMERAS, SPLIT, make_log, write_images, write_split
from tests.scenes.small_map import ORIGIN, layers, write_map

WORDS = [f"train_test_split.data_split={SPLIT}", "train_test_split.scene_filter.frame_interval=1"]
ON_MAP = {"start_x": ORIGIN[0] + 5.0, "start_y": ORIGIN[1] - 2.0}  # on roadblock 1


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole map."""
    return write_map(tmp_path_factory.mktemp("maps")).read_bytes()


@pytest.fixture
def frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, city: bytes) -> list[dict]:
    """A split of one log of 20 frames (7 scenes) with front images and a map."""
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path / "maps"))
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path / "home"))
    frames = make_log("a", 20, **ON_MAP)
    write_split(tmp_path, {"a": frames})
    write_images(tmp_path, frames)
    (tmp_path / "maps" / "us-ma-boston" / "1").mkdir(parents=True)
    (tmp_path / "maps" / "us-ma-boston" / "1" / "map.gpkg").write_bytes(city)
    return frames


def _by_name(*words: str, stage: str | None = None) -> dict[str, Finding]:
    findings = run_checks([lambda: check_data([*WORDS, *words], stage)])
    return {finding.name: finding for finding in findings}


def _image(root: Path, frame: dict) -> Path:
    path: Path = root / "sensor_blobs" / SPLIT / frame["cams"]["CAM_F0"]["data_path"]
    return path


def test_a_whole_split_passes(frames: list[dict]) -> None:
    found = _by_name("agent=reworld")
    assert {name: finding.status for name, finding in found.items()} == {
        "scenes": OK,
        "maps": OK,
        "images": OK,
    }
    assert found["scenes"].what == f"7 scenes of 1 logs of split {SPLIT}"
    assert found["images"].what == "10 images, all there, 10 of them opened"
    assert set(_by_name("agent=human")) == {"scenes", "maps"}  # it opens no image


def test_missing_images_are_counted_named_and_weighed(tmp_path: Path, frames: list[dict]) -> None:
    size = _image(tmp_path, frames[0]).stat().st_size
    for frame in frames[2:6]:
        _image(tmp_path, frame).unlink()
    found = _by_name("agent=reworld")["images"]
    assert found.status == FAIL
    assert found.what.startswith("4 images of 10 are missing: ")
    assert str(_image(tmp_path, frames[2])) in found.what and "and 1 more" in found.what
    assert f"about {4 * size / 1e9:.2g} GB to fetch" in found.what
    assert "log_names" in found.fix


def test_future_images_are_asked_for_by_the_stage_that_learns_from_them(
    tmp_path: Path, frames: list[dict]
) -> None:
    assert _by_name("agent=reworld", stage="planner")["images"].what.startswith("10 images")
    assert "maps" not in _by_name("agent=reworld", stage="planner")
    assert _by_name("agent=reworld", stage="1")["images"].what.startswith("18 images")
    _image(tmp_path, frames[17]).unlink()
    assert _by_name("agent=reworld", stage="planner")["images"].status == OK
    assert "stage 1 needs the images of the 4 s after" in _by_name(stage="1")["images"].fix


def test_a_lidar_that_the_agent_asks_for_is_looked_for(tmp_path: Path, frames: list[dict]) -> None:
    roots = DataRoots(tmp_path, tmp_path / "maps", SPLIT)
    wish = SensorConfig(**{**SensorConfig.build_no_sensors().__dict__, "lidar_pc": [3]})
    report = preflight(roots.loader(SceneFilter(frame_interval=1), wish), wish)
    assert (report.point_clouds.total, report.point_clouds.missing) == (7, 7)
    assert report.point_clouds.bytes_to_fetch == 7 * report.point_clouds.usual_bytes


def test_damaged_logs_and_maps(tmp_path: Path, frames: list[dict]) -> None:
    (tmp_path / "maps" / "us-ma-boston" / "1" / "map.gpkg").write_bytes(b"<html>404")
    found = _by_name("agent=human")
    assert found["maps"].status == FAIL and "NUPLAN_MAPS_ROOT" in found["maps"].fix
    (tmp_path / "navsim_logs" / SPLIT / "b.pkl").write_bytes(b"\x80\x05")
    (found_logs,) = _by_name("agent=human").values()
    assert found_logs.status == FAIL and "1 logs of" in found_logs.what
    assert "b.pkl" in found_logs.what


def test_scenes_that_are_not_there(frames: list[dict]) -> None:
    words = "train_test_split.scene_filter.tokens=[0123456789abcdef]"
    found = list(run_checks([lambda: check_data([*WORDS, words, "agent=human"])]))
    assert "1 tokens asked for are not in the split" in found[0].what
    assert "no scene passes the filter" in found[1].what
    (absent,) = _by_name("train_test_split.scene_filter.log_names=[zzz]").values()
    assert absent.status == FAIL and "zzz" in absent.what
    (absent,) = _by_name("train_test_split.data_split=nowhere").values()
    assert absent.status == FAIL and "present: small" in absent.what
    with pytest.raises(ConfigError, match="cannot compose agent=nobody"):
        compose(["agent=nobody"])


def test_memory_does_not_grow_with_the_scenes(tmp_path: Path) -> None:
    """Four times as many logs, all images missing: the same memory but for the list of tokens."""
    wish = SensorConfig.build_all_sensors(True)
    peaks = []
    for count in (8, 32):  # more than the reader keeps in memory
        root = tmp_path / str(count)
        write_split(root, {f"log{i:03d}": make_log(f"log{i:03d}", 20) for i in range(count)})
        roots = DataRoots(root, root / "maps", SPLIT)
        loader = roots.loader(SceneFilter(frame_interval=1), wish)
        logs._load_log.cache_clear()
        tracemalloc.start()
        report = preflight(loader, wish, whole_scene=True, maps=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.scenes == 7 * count
        assert report.images.total == report.images.missing == len(CAMERAS) * 20 * count
    assert peaks[1] < 1.5 * peaks[0]
    assert np.isfinite(report.images.bytes_to_fetch)


def test_files_that_are_there_and_cannot_serve(tmp_path: Path, frames: list[dict]) -> None:
    image, city = _image(tmp_path, frames[4]), tmp_path / "maps" / "us-ma-boston" / "1"
    image.write_bytes(image.read_bytes()[:300])
    found = _by_name("agent=reworld")["images"]
    assert found.status == FAIL and "1 of 10 that were opened cannot be read" in found.what
    assert str(image) in found.what
    for layer in ("intersections", "baseline_paths"):
        part = write_map(tmp_path / layer, {layer: None})
        (city / "map.gpkg").write_bytes(part.read_bytes())
        found = _by_name("agent=human")["maps"]
        assert found.status == FAIL and f"layer '{layer}' is missing" in found.what


def test_a_map_with_half_of_its_lanes(tmp_path: Path, frames: list[dict]) -> None:
    columns, shapes = layers()["lanes_polygons"]
    half = {name: values[::2] for name, values in columns.items()}
    part = write_map(tmp_path / "part", {"lanes_polygons": (half, shapes[::2])})
    with pytest.raises(DataError, match=r"lanes, . name objects that the map does not have"):
        CityMap(part)
    (tmp_path / "maps" / "us-ma-boston" / "1" / "map.gpkg").write_bytes(part.read_bytes())
    assert _by_name("agent=human")["maps"].status == FAIL


def test_scenes_that_a_run_will_record_as_failed(tmp_path: Path, frames: list[dict]) -> None:
    frames[3]["cams"]["CAM_F0"] = {}
    del frames[19]["anns"]
    write_split(tmp_path, {"a": frames})
    found = _by_name("agent=reworld")["scene data"]
    assert found.status == FAIL and found.what.startswith("5 scenes of 7 cannot be used: scene ")
    assert frames[3]["token"] in found.what and "scene_filter.tokens" in found.fix
    assert "1 scenes of 7" in _by_name("agent=human")["scene data"].what


def _on_another_map(frames: list[dict]) -> tuple[str, str]:
    """A block and a place that the map does not have, in two present frames; the words of it."""
    frames[5]["roadblock_ids"] = ["1", "77"]
    frames[6]["ego2global_translation"] = np.array([1e10, 0.0, 0.0])
    block = f"scene {frames[5]['token']}: block '77' of the route is not in "
    return block, f"scene {frames[6]['token']}: no road within 100 m of the ego in "


@pytest.mark.parametrize("agent", ["human", "reworld"])
def test_scenes_that_the_map_does_not_hold(tmp_path: Path, frames: list[dict], agent: str) -> None:
    words = _on_another_map(frames)
    frames[0]["roadblock_ids"] = ["78"]  # no present frame
    frames[1]["ego2global_translation"] = frames[6]["ego2global_translation"]
    write_split(tmp_path, {"a": frames})
    found = _by_name(f"agent={agent}")["scene data"]
    assert found.status == FAIL and found.what.startswith("2 scenes of 7 cannot be used: ")
    assert all(text in found.what for text in words) and "NAVSIM's devkit fails" in found.what
    assert "check that the maps belong to these logs" in found.fix
    assert "scene data" not in _by_name("agent=reworld", stage="planner")  # which opens no map


def test_the_doctor_says_of_a_map_what_scoring_says(tmp_path: Path, frames: list[dict]) -> None:
    _on_another_map(frames)
    frames[7]["roadblock_ids"] = []
    frames[8]["roadblock_ids"] = [np.str_("1"), "three"]
    frames[9]["ego2global_translation"] += (0.0, -200.0, 0.0)
    write_split(tmp_path, {"a": frames})
    roots = DataRoots(tmp_path, tmp_path / "maps", SPLIT)
    wish = SensorConfig.build_no_sensors()
    report = preflight(roots.loader(SceneFilter(frame_interval=1, has_route=False), wish), wish)
    said = {token: error.message for token, error in report.faults.first}
    scored = {}
    for frame in frames[3:10]:
        try:
            build_scene_cache(tmp_path, tmp_path / "maps", SPLIT, frame["token"])
        except SceneError as error:
            scored[frame["token"]] = error.message
    assert report.faults.count == len(scored) == 5
    assert said == {token: scored[token] for token in said}


def test_processes_find_the_same_in_the_same_order(
    tmp_path: Path, frames: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {name: make_log(name, 20, **ON_MAP) for name in ("b", "c", "d")}
    many["c"][12]["anns"]["gt_boxes"][0, 0] = np.nan
    del many["d"][5]["cams"]["CAM_B0"]
    many["b"][7]["roadblock_ids"] = ["77"]
    many["d"][8]["token"] = many["b"][8]["token"]
    write_split(tmp_path, many)
    for log in many.values():
        write_images(tmp_path, log)
    _image(tmp_path, many["b"][4]).unlink()
    monkeypatch.setattr(log_index, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(log_index, "_PORTION", 1)
    found = [list(check_data([*WORDS, "agent=reworld"], workers=count)) for count in (1, 2, 3)]
    assert found[0] == found[1] == found[2]
    text = " ".join(finding.what for finding in found[0])
    assert "27 scenes of 4 logs" in text and "12 scenes of 27 cannot be used" in text
    assert "1 images of" in text and "names more than one frame" in text
    assert "no camera 'CAM_B0'" in text and "and 9 more" in text
    (tmp_path / "navsim_logs" / SPLIT / "c.pkl").write_bytes(b"no pickle")
    broken = [list(check_data([*WORDS, "agent=reworld"], workers=count)) for count in (1, 2)]
    assert broken[0] == broken[1] and "1 logs of" in broken[0][0].what
