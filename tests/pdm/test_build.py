"""Scene caches against the stock devkit's values, and scenes made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.pdm.cache_io.build import build_from_log, build_scene_cache
from reworld_agent.pdm.metrics.raw_columns import by_name
from reworld_agent.pdm.metrics.ttc import LAST_STEP_V1
from reworld_agent.pdm.scene_cache import CARPARK, LANE, LANE_CONNECTOR, ROADBLOCK, SceneCache
from reworld_agent.pdm.scorer.common import score_states
from reworld_agent.pdm.simulate.tracker import simulate
from reworld_agent.pdm.world.frames import ParsedLog
from reworld_agent.pdm.world.scenery import make_scenery
from reworld_agent.scenes.log_index import find_frame
from reworld_agent.scenes.logs import load_log
from tests.pdm import small_scene
from tests.scenes.small_map import ORIGIN


def pdm_closed_progress(cache: SceneCache) -> float:
    states = simulate(cache.ego_state, cache.pdm_closed_poses[None])
    rows = score_states(states, make_scenery(cache), LAST_STEP_V1)
    return float(by_name(rows)["progress"][0])


def check_against_table(root: Path, split: str, table: pd.DataFrame, human: pd.Series) -> None:
    wanted = table.groupby("token")["progress_raw_pdm"].first()
    logged = table[human].set_index("token")["poses"]
    for token, progress in wanted.items():
        cache = build_scene_cache(root, root / "maps", split, str(token))
        assert pdm_closed_progress(cache) == pytest.approx(progress, abs=1e-6), token
        poses = np.array(logged[str(token)]).reshape(8, 3)
        np.testing.assert_allclose(cache.human_poses, poses, atol=1e-6)


def test_synthetic_scenes_equal_the_devkit(devkit_reference: Path) -> None:
    table = pd.read_parquet(devkit_reference / "pdm_v11.parquet")
    check_against_table(devkit_reference, "toy", table, table["kind"] == "human")


@pytest.mark.parametrize("split", ["av2", "nuscenes"])
def test_real_scenes_equal_the_devkit(real_reference: Path, split: str) -> None:
    table = pd.read_parquet(real_reference / "pdm_v11.parquet")
    table = table[table["split"] == split]
    check_against_table(real_reference, split, table, table["candidate"] == "human")
    first = table.groupby("token").first()
    for token, row in first.iterrows():
        cache = build_scene_cache(real_reference, real_reference / "maps", split, str(token))
        assert len(cache.polygon_kind) == row["n_map_polygons"]


def test_the_order_of_scenes_does_not_matter(devkit_reference: Path) -> None:
    folder = devkit_reference / "navsim_logs" / "toy"
    tokens = pd.read_parquet(devkit_reference / "pdm_v11.parquet")["token"].unique()[:6]
    there = {t: build(devkit_reference, folder, t).pdm_closed_poses for t in tokens}
    for token in tokens[::-1]:
        again = build(devkit_reference, folder, token).pdm_closed_poses
        np.testing.assert_array_equal(again, there[token])


def build(root: Path, folder: Path, token: str) -> SceneCache:
    path, index = find_frame(folder, token)
    return build_from_log(ParsedLog(load_log(path), path), index, root / "maps")


@pytest.fixture
def maps_root(tmp_path: Path) -> Path:
    small_scene.write(tmp_path, small_scene.frames())
    return tmp_path / "maps"


def cache_of(log: list[dict[str, Any]], maps_root: Path, index: int = 3) -> SceneCache:
    return build_from_log(ParsedLog(log, Path("log-0.pkl")), index, maps_root)


def test_a_scene_made_by_hand(tmp_path: Path, maps_root: Path) -> None:
    log = small_scene.frames()
    cache = build_scene_cache(tmp_path, maps_root, small_scene.SPLIT, log[3]["token"])
    assert cache.token == log[3]["token"] and cache.driving_command == 1
    np.testing.assert_allclose(cache.ego_state[:4] - [*ORIGIN, 0, 0], [17.5, -2.0, 0.0, 5.0])
    ids = {kind: cache.polygon_id[cache.polygon_kind == kind].tolist() for kind in range(5)}
    assert ids[ROADBLOCK] == ["1", "5"] and ids[CARPARK] == ["7"]
    assert ids[LANE] == ["11", "12", "51"] and ids[LANE_CONNECTOR] == ["21", "22", "41"]
    assert set(cache.polygon_id[cache.polygon_on_route]) == {"11", "12", "21", "22"}
    line = cache.centerline[:, :2] - ORIGIN
    np.testing.assert_allclose(line[[0, -1]], [[0, -2], [230, -2]], atol=1e-7)
    np.testing.assert_allclose(cache.human_poses[:, 0], 2.5 * np.arange(1, 9), atol=1e-6)
    free_road = cache.pdm_closed_poses[:, :2] - ORIGIN
    assert np.all(np.diff(free_road[:, 0]) > 0) and free_road[-1, 0] > 40.0
    assert cache.track_pose.shape == (51, 0, 3)


def test_the_ego_stops_behind_a_wall_and_at_red(maps_root: Path) -> None:
    wall = small_scene.annotated({"w": ("barrier", [40, 0, 0, 1, 8, 1, 0], [0, 0, 0])})
    log = small_scene.frames(speed=8.0)
    for frame in log:
        frame["anns"] = wall
    stopped = cache_of(log, maps_root).pdm_closed_poses
    front = stopped[-1, 0] - ORIGIN[0] + 4.05
    assert front < 10 + 3 * 4.0 + 40 - 0.5

    log = small_scene.frames(x=60.0, speed=8.0)
    free = cache_of(log, maps_root).pdm_closed_poses
    for frame in log:
        frame["traffic_lights"] = [(22, True), (41, True), (999, True)]
    red = cache_of(log, maps_root).pdm_closed_poses
    assert red[-1, 0] + 4.05 < ORIGIN[0] + 100 < free[-1, 0]


def test_what_overlaps_the_ego_is_ignored(maps_root: Path) -> None:
    log = small_scene.frames()
    free = cache_of(log, maps_root).pdm_closed_poses
    for frame in log:
        frame["anns"] = small_scene.annotated(
            {"p": ("generic_object", [3, 0, 0, 1, 1, 1, 0], [0, 0, 0])}
        )
    np.testing.assert_array_equal(cache_of(log, maps_root).pdm_closed_poses, free)


def test_routes_are_repaired(maps_root: Path) -> None:
    whole = cache_of(small_scene.frames(), maps_root)
    for route in (["1", "3"], ["3"], ["1", "2", "3", "1"], ["2", "3"]):
        log = small_scene.frames()
        log[3]["roadblock_ids"] = route
        np.testing.assert_allclose(cache_of(log, maps_root).centerline, whole.centerline)
    log = small_scene.frames(y=2.0)
    log[3]["roadblock_ids"] = ["1", "5"]
    end = cache_of(log, maps_root).centerline[-1, :2] - ORIGIN
    np.testing.assert_allclose(end, [118.0, 100.0], atol=1e-6)


@pytest.mark.parametrize("yaw", [np.pi, -np.pi + 1e-12, np.pi / 2])
def test_any_heading_far_from_the_road(maps_root: Path, yaw: float) -> None:
    cache = cache_of(small_scene.frames(x=-40.0, y=30.0, yaw=yaw, speed=0.0), maps_root)
    assert np.isfinite(cache.pdm_closed_poses).all()
    assert np.abs(cache.pdm_closed_poses[:, 2]).max() <= np.pi


def test_a_log_that_ends_too_soon(maps_root: Path) -> None:
    cache = cache_of(small_scene.frames(n=7), maps_root)
    assert np.isfinite(cache.human_poses[:3]).all() and np.isnan(cache.human_poses[3:]).all()


def test_what_epdms_reads(maps_root: Path) -> None:
    log = small_scene.frames(x=60.0, speed=4.0)
    for k, frame in enumerate(log):
        frame["traffic_lights"] = [(22, k >= 5), (41, True), (21, False)]
        seen = {"a": ("vehicle", [20, 4, 0, 4, 2, 1, 0], [0, 0, 0])} if k in (3, 6, 12) else {}
        once = {"b": ("vehicle", [30, 4, 0, 4, 2, 1, 0], [0, 0, 0])} if k >= 11 else {}
        frame["anns"] = small_scene.annotated({**seen, **once})
    cache = cache_of(log, maps_root)
    assert cache.light_id.tolist() == ["22"]  # 41 is off the route, 21 is green
    assert cache.light_red[:, 0].tolist() == [False] * 2 + [True] * 7
    assert len(cache.light_polygon_ring_start) == 2 and cache.light_ring_xy.shape[1] == 2
    assert cache.track_sightings.tolist() == [[0, 3], [8, 8]]
    assert cache.past_states.shape == (4, 11)
    np.testing.assert_array_equal(cache.past_states[-1], cache.ego_state)
    assert np.diff(cache.past_time_us).tolist() == [500_000] * 3
    assert cache_of(log, maps_root, index=1).past_states.shape == (2, 11)


def test_faults_name_the_scene(tmp_path: Path, maps_root: Path) -> None:
    log = small_scene.frames()
    token = log[3]["token"]
    for route, message in ([], "no route"), (["1", "77"], "'77'"), (["1", "a"], "'a'"):
        log[3]["roadblock_ids"] = route
        with pytest.raises(SceneError, match=message) as caught:
            cache_of(log, maps_root)
        assert token in str(caught.value)
    with pytest.raises(SceneError, match="no road within 100 m"):
        cache_of(small_scene.frames(x=-900.0), maps_root)
    with pytest.raises(SceneError, match="nobody"):
        build_scene_cache(tmp_path, maps_root, small_scene.SPLIT, "nobody")
    log = small_scene.frames()
    log[3]["map_location"] = "sg-one-north"
    with pytest.raises(DataError, match="sg-one-north"):
        cache_of(log, maps_root)
    log = small_scene.frames()
    log[5]["anns"]["track_tokens"].append("x")
    with pytest.raises(DataError, match="length"):
        cache_of(log, maps_root)
