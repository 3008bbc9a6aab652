"""Files that a run over synthetic scenes will open, counted before it starts."""

from __future__ import annotations

import random
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

from reworld_agent.core.errors import DataError, ReWorldError, SceneError
from reworld_agent.pdm.cache_io.from_scene_pickle import build_from_scene_pickle, moments_of
from reworld_agent.scenes.pickle_preflight import preflight_pickles
from reworld_agent.scenes.scene_pickles import load_scene_pickle
from reworld_agent.scenes.sensors import SensorConfig
from tests.pdm import small_scene
from tests.scenes import scene_pickle_files as files
from tests.scenes.mutations import mutate
from tests.scenes.scene_pickle_files import NuPlan, write_scene_pickle
from tests.scenes.small_logs import make_log
from tests.scenes.small_map import write_map

NO_SENSORS = SensorConfig.build_no_sensors()
FRONT = replace(NO_SENSORS, cam_f0=[2, 3])
TOKENS = tuple(f"{number:017x}" for number in range(3))


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three scenes with a front camera, whose images are all there; and the map's file."""
    nuplan, frames = NuPlan(monkeypatch), make_log("a", 20)
    (tmp_path / "maps" / "us-ma-boston" / "1").mkdir(parents=True)
    (tmp_path / "maps" / "us-ma-boston" / "1" / "map.gpkg").write_bytes(b"")
    found = []
    for token in TOKENS:
        path = write_scene_pickle(
            nuplan, tmp_path / "scenes", frames, 9, token, cameras=("cam_f0",)
        )
        for name in {name for _, name in load_scene_pickle(path).sensor_files(FRONT)}:
            assert name is not None
            (tmp_path / "blobs" / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 2)).save(tmp_path / "blobs" / name)
        found.append(path)
    return found


def test_what_an_agent_looks_at_is_counted(tmp_path: Path, paths: list[Path]) -> None:
    blobs = tmp_path / "blobs"
    report = preflight_pickles(paths, blobs, FRONT, tmp_path / "maps")
    report.raise_if_missing()
    assert (report.scenes, report.images.total, report.maps.total) == (3, 2 * 3, 1)
    (blobs / TOKENS[1] / "cam_f0" / "3.jpg").unlink()
    with pytest.raises(DataError, match=rf"1 images of 6 are missing: .*{TOKENS[1]}/cam_f0/3.jpg"):
        preflight_pickles(paths, blobs, FRONT).raise_if_missing()
    for path in paths:  # what it counts is what is opened
        if path.stem != TOKENS[1]:
            load_scene_pickle(path).scene(blobs, FRONT)
    with pytest.raises(DataError, match=r"6 images of 6 are missing.*\n.*synthetic_sensor_path"):
        preflight_pickles(paths, tmp_path / "elsewhere", FRONT).raise_if_missing()
    with pytest.raises(DataError, match="1 city maps of 1 are missing"):
        preflight_pickles(paths[:1], blobs, FRONT, tmp_path / "nowhere").raise_if_missing()


def test_scenes_that_the_map_cannot_serve_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nuplan, log, maps = NuPlan(monkeypatch), small_scene.frames(n=20), tmp_path / "maps"
    write_map(maps)
    far, found = "f" * 17, []
    for token, route in zip((*TOKENS, far), (["1"], ["77"], [], ["1"]), strict=True):
        frames = [{**frame, "roadblock_ids": route} for frame in log]
        shift = (1e6 if token == far else 0.0, 0.0)
        found.append(
            write_scene_pickle(nuplan, tmp_path, frames, 9, token, shift, cameras=("cam_f0",))
        )
    report = preflight_pickles(found, tmp_path / "blobs", FRONT, maps)
    assert [token for token, _ in report.faults.first] == [*TOKENS[1:], far]
    assert report.faults.count == 3 and "block '77' of the route" in report.faults.summary(4)
    for path, fails in zip(found, (False, True, True, True), strict=True):  # as scoring finds
        with pytest.raises(SceneError) if fails else nullcontext():
            build_from_scene_pickle(path, maps)


def test_sensors_that_a_scene_lacks_are_named(tmp_path: Path, paths: list[Path]) -> None:
    back = replace(NO_SENSORS, cam_b0=True)
    with pytest.raises(DataError, match=rf"4 images of 4 .*{TOKENS[0]}.pkl \(has no cam_b0\)"):
        preflight_pickles(paths[:1], tmp_path / "blobs", back).raise_if_missing()
    lidar = replace(NO_SENSORS, lidar_pc=[3])
    with pytest.raises(DataError, match=r"1 point clouds of 1 .*\(has no lidar_pc\)"):
        preflight_pickles(paths[:1], tmp_path / "blobs", lidar).raise_if_missing()


def test_an_agent_without_sensors_opens_nothing(tmp_path: Path, paths: list[Path]) -> None:
    paths[0].write_bytes(b"damaged")
    preflight_pickles(paths, tmp_path / "nowhere", NO_SENSORS).raise_if_missing()
    with pytest.raises(DataError, match=paths[0].name):
        preflight_pickles(paths, tmp_path / "blobs", FRONT)


def test_paths_that_were_pickled_as_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = files._cameras

    def as_objects(token: str, names: tuple[str, ...], number: int) -> dict:
        cameras = plain(token, names, number)
        for camera in filter(None, cameras.values()):
            camera["data_path"] = PurePosixPath(camera["data_path"])
        return cameras

    monkeypatch.setattr(files, "_cameras", as_objects)
    path = write_scene_pickle(
        NuPlan(monkeypatch), tmp_path, make_log("a", 20), 9, TOKENS[0], cameras=("cam_f0",)
    )
    names = [name for _, name in load_scene_pickle(path).sensor_files(FRONT)]
    assert names == [f"{TOKENS[0]}/cam_f0/{number}.jpg" for number in (2, 3)]


def test_a_mutated_scene_is_read_soundly_or_refused(paths: list[Path]) -> None:
    """100 mutations: a scene that can be made and parsed, or an error of ours."""
    draw, path = random.Random(1), paths[0]
    content = path.read_bytes()
    refused = 0
    for _ in range(100):
        path.write_bytes(mutate(content, draw))
        try:
            scene = load_scene_pickle(path)
            scene.scene(path.parent, NO_SENSORS).get_agent_input()
            moments_of(scene)
        except ReWorldError:
            refused += 1
    assert refused > 20
