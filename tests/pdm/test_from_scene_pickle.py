"""Synthetic scenes of NAVSIM v2 become scene caches."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.pdm.cache_io.from_scene_pickle import build_from_scene_pickle
from reworld_agent.scenes.logs import load_log
from reworld_agent.scenes.scene_pickles import list_scene_pickles, load_scene_pickle
from reworld_agent.scenes.sensors import SensorConfig
from tests.scenes.scene_pickle_files import NuPlan, write_scene_pickle
from tests.scenes.small_logs import make_log

TOKEN = "0123456789abcdef0"
NOW = 9


@pytest.fixture
def nuplan(monkeypatch: pytest.MonkeyPatch) -> NuPlan:
    """Stand-ins of nuPlan's classes."""
    return NuPlan(monkeypatch)


def test_a_scene_that_was_not_moved_is_the_logs_own(
    devkit_reference: Path, tmp_path: Path, nuplan: NuPlan
) -> None:
    path = sorted((devkit_reference / "navsim_logs" / "toy").glob("*.pkl"))[0]
    frames = load_log(path)
    maps = devkit_reference / "maps"
    own = pdm.build_scene_cache(devkit_reference, maps, "toy", frames[NOW]["token"])
    pickled = write_scene_pickle(nuplan, tmp_path, frames, NOW, TOKEN)
    synthetic = build_from_scene_pickle(pickled, maps)
    assert (synthetic.token, synthetic.log_name) == (TOKEN, own.log_name)
    assert np.isnan(synthetic.human_poses).all()
    for name in ("ego_state", "centerline", "pdm_closed_poses_v2", "past_states", "light_red"):
        np.testing.assert_array_equal(getattr(synthetic, name), getattr(own, name), err_msg=name)
    table = pd.read_parquet(devkit_reference / "epdms_v22.parquet")
    poses = np.stack([np.reshape(p, (8, 3)) for p in table["poses"].iloc[:32]])
    left, right = pdm.score(own, poses, "epdms_v2"), pdm.score(synthetic, poses, "epdms_v2")
    np.testing.assert_array_equal(left["pdm_score"], right["pdm_score"])
    np.testing.assert_array_equal(right["pdm_score"], right["score"])  # nobody to be filtered by


def test_an_agent_sees_the_moved_ego(tmp_path: Path, nuplan: NuPlan) -> None:
    frames = make_log("a", 20)
    path = write_scene_pickle(nuplan, tmp_path, frames, NOW, TOKEN, shift=(1.0, -2.0))
    scene = load_scene_pickle(path).scene(tmp_path, SensorConfig.build_no_sensors())
    agent_input = scene.get_agent_input()
    assert len(agent_input.ego_statuses) == 4
    np.testing.assert_allclose(agent_input.ego_statuses[-1].ego_pose, 0.0, atol=1e-9)
    np.testing.assert_allclose(agent_input.ego_statuses[0].ego_pose, [-7.5, 0.0, 0.0], atol=1e-9)
    moved = scene.frames[-1]
    np.testing.assert_allclose(moved.ego_status.ego_pose[:2], [1000 + 22.5 + 1, 2000 - 2])
    np.testing.assert_allclose(moved.annotations.boxes[0, :2], [19.0, 2.0])
    looking = SensorConfig.build_no_sensors()
    looking.cam_f0 = True
    with pytest.raises(DataError, match="no image of camera 'cam_f0'"):
        load_scene_pickle(path).scene(tmp_path, looking)


class _Attack:
    def __reduce__(self) -> Any:
        return eval, ("print('run')",)


def test_files_that_cannot_be_read(tmp_path: Path, nuplan: NuPlan) -> None:
    frames = make_log("a", 20)
    good = pickle.loads(write_scene_pickle(nuplan, tmp_path, frames, NOW, TOKEN).read_bytes())
    path = tmp_path / f"{TOKEN}.pkl"

    def expect(content: Any, message: str, kind: type[Exception] = DataError) -> None:
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(kind, match=message):
            load_scene_pickle(path)

    expect(_Attack(), "names 'builtins.eval'")
    expect({"frames": []}, "no 'scene_metadata'")
    expect({**good, "frames": good["frames"][:2]}, "2 frames, not 4")
    expect({**good, "extended_detections_tracks": ["x"]}, "another layout")
    expect({**good, "frames": [{"token": "x"}] * 4}, "has no 'timestamp'")
    other = {**good["scene_metadata"], "initial_token": "other"}
    expect({**good, "scene_metadata": other}, "holds the scene other", SceneError)
    path.write_bytes(b"half")
    with pytest.raises(DataError, match="not a whole pickle"):
        load_scene_pickle(path)
    with pytest.raises(DataError, match="no synthetic scenes"):
        list_scene_pickles(tmp_path / "none")


def test_a_future_that_is_too_short(devkit_reference: Path, tmp_path: Path, nuplan: NuPlan) -> None:
    frames = load_log(sorted((devkit_reference / "navsim_logs" / "toy").glob("*.pkl"))[0])
    path = write_scene_pickle(nuplan, tmp_path, frames[: NOW + 6], NOW, TOKEN)
    with pytest.raises(SceneError, match="5 frames of future traffic, 3 too few"):
        build_from_scene_pickle(path, devkit_reference / "maps")
