"""Scene windows as the devkit cuts them, loading by token, splits, and the look before a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent.core.errors import ConfigError, DataError, SceneError, UsageError
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.preflight import preflight
from reworld_agent.scenes.splits import DataRoots, resolve_split
from reworld_agent.scenes.types import SensorConfig
from tests.scenes.small_logs import SPLIT, make_log, write_images, write_split

FRONT = SensorConfig(**{**SensorConfig.build_no_sensors().__dict__, "cam_f0": True})


def _loader(folder: Path, **settings: Any) -> SceneLoader:
    return SceneLoader(folder, None, SceneFilter(**settings))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    frames = {"a": make_log("a", 16), "b": make_log("b", 29), "short": make_log("short", 13)}
    frames["a"][4]["roadblock_ids"] = []
    return write_split(tmp_path, frames)


def test_windows_follow_interval_route_and_length(logs: Path) -> None:
    assert len(_loader(logs)) == 1 + 2  # none: not overlapping, short tails dropped
    assert len(_loader(logs, frame_interval=1)) == 2 + 16  # `a` loses the frame without a route
    assert len(_loader(logs, frame_interval=1, has_route=False)) == 3 + 16
    assert len(_loader(logs, frame_interval=3)) == 1 + 6
    assert len(_loader(logs, frame_interval=1, max_scenes=5)) == 5
    loader = _loader(logs, frame_interval=1, log_names=["b"])
    assert list(loader.get_tokens_list_per_log()) == ["b"]
    frames = loader.scene_frames_dicts[loader.tokens[2]]
    assert len(frames) == 14
    assert frames[3]["token"] == loader.tokens[2] == loader[2]


def test_tokens_pick_scenes_and_unknown_ones_are_told(logs: Path) -> None:
    wanted = _loader(logs, frame_interval=1).tokens[4:6]
    loader = _loader(logs, frame_interval=1, tokens=[*wanted, "0123456789abcdef"])
    assert loader.tokens == wanted
    report = preflight(loader, SensorConfig.build_no_sensors())
    with pytest.raises(ConfigError, match="1 tokens asked for are not in the split: 0123456789"):
        report.raise_if_missing()
    with pytest.raises(SceneError, match="token nope is none of the 2 scenes"):
        loader.get_scene_from_token("nope")


def test_a_bad_frame_spoils_its_own_scenes_only(tmp_path: Path) -> None:
    frames = make_log("a", 30)
    frames[20]["ego_dynamic_state"][0] = np.nan
    frames[21]["anns"]["track_tokens"].append("one too many")
    loader = _loader(write_split(tmp_path, {"a": frames}), frame_interval=1)
    loader.get_scene_from_token(frames[3]["token"])
    with pytest.raises(DataError, match=f"a.pkl: frame {frames[20]['token']}.*not finite"):
        loader.get_agent_input_from_token(frames[10]["token"])
    with pytest.raises(DataError, match="not finite"):
        loader.get_scene_from_token(frames[12]["token"])
    with pytest.raises(SceneError, match="does not know where maps lie"):
        _ = loader.get_scene_from_token(frames[3]["token"]).map_api


def test_where_nuplan_is_installed_the_map_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = make_log("a", 30)
    scene = _loader(write_split(tmp_path, {"a": frames}), frame_interval=1).get_scene_from_token(
        frames[3]["token"]
    )
    scene.maps_root = tmp_path / "maps"
    factory = tmp_path / "nuplan" / "common" / "maps" / "nuplan_map" / "map_factory.py"
    factory.parent.mkdir(parents=True)
    factory.write_text("def get_maps_api(*names):\n    return names\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "nuplan"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delenv("REWORLD_HOST", raising=False)
    assert scene.map_api == (str(tmp_path / "maps"), "nuplan-maps-v1.0", "us-ma-boston")
    monkeypatch.setenv("REWORLD_HOST", "builtin")
    with pytest.raises(DataError):
        _ = scene.map_api
    for name in [name for name in sys.modules if name.partition(".")[0] == "nuplan"]:
        monkeypatch.delitem(sys.modules, name)


def test_missing_logs_are_told(logs: Path) -> None:
    with pytest.raises(DataError, match="1 of 2 logs asked for are missing, first zzz"):
        _loader(logs, log_names=["a", "zzz"])
    (logs / "a.pkl").write_bytes(b"\x80\x05")
    with pytest.raises(DataError, match=r"a\.pkl: not a whole pickle"):
        _loader(logs)


def test_preflight_counts_images_and_maps(tmp_path: Path) -> None:
    frames = make_log("a", 20)
    folder = write_split(tmp_path, {"a": frames})
    blobs = write_images(tmp_path, frames)
    roots = DataRoots(tmp_path, tmp_path / "maps", SPLIT)
    assert (roots.logs, roots.sensor_blobs) == (folder, blobs)
    loader = roots.loader(SceneFilter(frame_interval=1), FRONT)
    with pytest.raises(DataError, match=r"1 city maps of 1 are missing.*us-ma-boston"):
        preflight(loader, FRONT).raise_if_missing()
    assert preflight(loader, FRONT, maps=False).images.total == 10  # history frames of 7 scenes
    assert preflight(loader, FRONT, maps=False, whole_scene=True).images.total == 20
    preflight(loader, FRONT, maps=False).raise_if_missing()
    for index in (1, 2, 3, 5):
        (blobs / frames[index]["cams"]["CAM_F0"]["data_path"]).unlink()
    with pytest.raises(DataError, match=r"4 images of 10 are missing: .*CAM_F0.* and 1 more"):
        preflight(loader, FRONT, maps=False).raise_if_missing()


def test_a_filter_that_lets_nothing_pass_is_told(logs: Path) -> None:
    loader = _loader(logs, num_future_frames=40)
    with pytest.raises(ConfigError, match="no scene passes the filter"):
        preflight(loader, SensorConfig.build_no_sensors()).raise_if_missing()
    wrong: list[dict[str, Any]] = [
        {"frame_interval": 0},
        {"num_history_frames": 0},
        {"num_future_frames": -1},
    ]
    for bad in wrong:
        with pytest.raises(ConfigError, match="scene_filter"):
            SceneFilter(**bad)
    with pytest.raises(ConfigError, match="synthetic scenes"):
        SceneFilter(include_synthetic_scenes=True)


def test_splits_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_split(tmp_path, {"a": make_log("a", 3)})
    monkeypatch.delenv("OPENSCENE_DATA_ROOT", raising=False)
    monkeypatch.delenv("NUPLAN_MAPS_ROOT", raising=False)
    with pytest.raises(ConfigError, match="'small' is not embedded"):
        resolve_split("small")
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    with pytest.raises(ConfigError, match="NUPLAN_MAPS_ROOT is not"):
        resolve_split("small")
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path / "maps"))
    assert resolve_split("small") == DataRoots(tmp_path, tmp_path / "maps", "small")
    with pytest.raises(UsageError, match="has no navsim_logs/navtest; present: small"):
        resolve_split("navtest")


def test_embedded_splits_are_made_where_the_environment_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def ensure_split(split: str, cameras: tuple[str, ...]) -> DataRoots:
        asked.append((split, cameras))
        return DataRoots(tmp_path / "town", tmp_path / "town" / "maps", split)

    monkeypatch.setattr("reworld_agent.scenes.synthetic.ensure_split", ensure_split)
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    monkeypatch.delenv("NUPLAN_MAPS_ROOT", raising=False)
    roots = resolve_split("town_test", ["CAM_F0", "CAM_B0"])
    assert roots.logs == tmp_path / "town" / "navsim_logs" / "town_test"
    assert asked == [("town_test", ("CAM_F0", "CAM_B0"))]


def test_the_devkits_scenes_of_the_reference(devkit_reference: Path) -> None:
    roots = DataRoots(devkit_reference, devkit_reference / "maps", "toy")
    loader = roots.loader(SceneFilter(frame_interval=3), FRONT)
    table = pd.read_parquet(devkit_reference / "pdm_v11.parquet", columns=["token", "log_name"])
    assert set(loader.tokens) == set(table["token"])
    assert len(loader) == 40
    per_log = loader.get_tokens_list_per_log()
    for log_name, tokens in table.groupby("log_name")["token"]:
        assert set(per_log[str(log_name)]) == set(tokens)
    assert len(roots.loader(SceneFilter(frame_interval=1))) == 112
    preflight(loader, FRONT).raise_if_missing()


def test_human_rows_of_the_reference_are_the_logged_future(devkit_reference: Path) -> None:
    roots = DataRoots(devkit_reference, devkit_reference / "maps", "toy")
    loader = roots.loader(SceneFilter(frame_interval=3))
    table = pd.read_parquet(devkit_reference / "pdm_v11.parquet")
    human = table[table["kind"] == "human"]
    assert len(human) == 40
    for token, poses in zip(human["token"], human["poses"], strict=True):
        future = loader.get_scene_from_token(token).get_future_trajectory(8)
        np.testing.assert_allclose(future.poses, np.reshape(poses, (8, 3)), atol=1e-6)
