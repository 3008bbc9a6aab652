"""A window of a log is one drive at 2 Hz, each frame and track once; else its scene fails alone."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reworld_agent.core.errors import DataError, ReWorldError, SceneError, UsageError
from reworld_agent.pdm.world.frames import ParsedLog
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.log_index import find_frame
from reworld_agent.scenes.logs import LogFrames, load_log
from reworld_agent.scenes.preflight import preflight
from reworld_agent.scenes.types import SensorConfig
from tests.scenes.mutations import mutate
from tests.scenes.small_logs import CAMERAS, make_log, write_images, write_split

FRONT = SensorConfig(**{**SensorConfig.build_no_sensors().__dict__, "cam_f0": True})
NOW = 3  # number of the present frame of the first scene
Frames = list[dict[str, Any]]


def _shift(frames: Frames, number: int, seconds: float) -> None:
    for frame in frames[number:]:
        frame["timestamp"] += round(1e6 * seconds)


def _other_log(frames: Frames) -> None:
    for frame in frames[20:]:
        frame["log_name"] = "another"


def _track_twice(frames: Frames) -> None:
    anns = frames[20]["anns"]
    for key, value in anns.items():
        anns[key] = np.concatenate([value, value]) if isinstance(value, np.ndarray) else value * 2


def _velocity(frames: Frames, number: int = 20) -> None:
    frames[number]["anns"]["gt_velocity_3d"][0, 0] = np.nan


# What is done to frame 20 of 40, and what is said of the scenes that hold it.
FAULTS: dict[str, tuple[Callable[[Frames], Any], str]] = {
    "a gap": (lambda f: _shift(f, 20, 1.0), r"1\.5 s after the one before it.*would score it"),
    "a step of 0.25 s": (lambda f: _shift(f, 20, -0.25), r"0\.25 s after"),
    "a time twice": (lambda f: _shift(f, 20, -0.5), "0 s after.*back in time"),
    "back in time": (lambda f: _shift(f, 20, -1.0), "-0.5 s after.*back in time"),
    "two logs": (_other_log, "of the log 'another', the one before it of 'a'"),
    "a track twice": (_track_twice, "track track-0 is there twice.*cannot score the scene"),
    "a velocity": (_velocity, "gt_velocity_3d of the vehicle track-0 is not finite"),
    "no boxes": (lambda f: f[20].pop("anns"), "has no 'anns'"),
    "no camera entry": (lambda f: f[20]["cams"].update(CAM_F0={}), "'CAM_F0' has no 'data_path'"),
    "no cameras": (lambda f: f[20].update(cams={}), "has no camera 'CAM_F0'"),
    "cameras of no kind": (lambda f: f[20].update(cams={"CAM_F0": 3}), "cams is no dict"),
    "lights": (lambda f: f[20].update(traffic_lights=[1]), "traffic_lights is no list"),
    "route": (lambda f: f[20].update(roadblock_ids=[0.5]), "roadblock_ids is no list"),
    "no route": (lambda f: f[20].update(roadblock_ids=None), "roadblock_ids is no list"),
    "time": (lambda f: f[20].update(timestamp="now"), "timestamp is now, no time"),
    "rotation": (lambda f: f[20].update(ego2global_rotation=[0.0] * 4), "all zeros, no rotation"),
    "command": (lambda f: f[20].update(driving_command=[[1]]), "driving_command"),
    "box": (lambda f: f[20]["anns"].update(gt_boxes=["x"]), "gt_boxes is list"),
}


@pytest.mark.parametrize("fault", ["a gap", "back in time", "two logs"])
def test_gaps_are_scored_where_that_is_asked_for(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = make_log("a", 40)
    FAULTS[fault][0](frames)
    folder = write_split(tmp_path, {"a": frames})
    log = load_log(folder / "a.pkl")
    with pytest.raises(DataError, match="REWORLD_LOG_GAPS=score"):
        log.check(13, 27)
    monkeypatch.setenv("REWORLD_LOG_GAPS", "score")
    log.check(13, 27)
    monkeypatch.setenv("REWORLD_LOG_GAPS", "yes")
    with pytest.raises(UsageError, match="REWORLD_LOG_GAPS=yes must be refuse or score"):
        log.check(13, 27)


@pytest.mark.parametrize("fault", FAULTS)
def test_scenes_that_hold_the_fault_fail_and_no_other(tmp_path: Path, fault: str) -> None:
    frames = make_log("a", 40)
    spoil, message = FAULTS[fault]
    spoil(frames)
    write_images(tmp_path, make_log("a", 40))
    folder = write_split(tmp_path, {"a": frames})
    wish = SceneFilter(num_future_frames=10, frame_interval=13)  # frames 0-13, 13-26, 26-39
    loader = SceneLoader(folder, tmp_path / "sensor_blobs" / "small", wish, FRONT)
    failed = {}
    for token in loader.tokens:
        try:
            loader.get_scene_from_token(token)
        except DataError as error:
            failed[token] = error.message
    assert list(failed) == [frames[13 + NOW]["token"]]
    (said,) = failed.values()
    assert (frames[20]["token"] in said and "a.pkl" in said) or "camera" in said
    with pytest.raises(DataError, match=message):
        loader.get_scene_from_token(loader.tokens[1])

    report = preflight(loader, FRONT, whole_scene=True)
    assert report.faults.count == 1 and said in report.faults.summary(3)
    assert report.faults.summary(3).startswith("1 scenes of 3 cannot be used: scene ")
    assert report.faults.hint
    report.raise_if_missing()  # it ends no run
    with pytest.raises(DataError, match="cannot be used"):
        report.raise_if_unusable()
    if "camera" not in fault or "kind" in fault:  # the scorer reads none
        log = ParsedLog(frames, folder / "a.pkl")
        log.moments(0, 20)
        with pytest.raises(DataError, match=message):
            log.moments(13, 27)


def test_what_is_not_read_may_be_anything(tmp_path: Path) -> None:
    frames = make_log("a", 14)
    _velocity(frames, 5)
    frames[5]["anns"]["gt_names"] = np.array(["traffic_cone"])  # does not move by itself
    for frame in frames:
        frame["timestamp"] += 40_000 * (frame["timestamp"] // 500_000 % 3)  # sweeps were missing
        frame["cams"]["CAM_L0"] = {}  # nobody asks for it
        frame["ego2global_translation"] = frame["ego2global_translation"].tolist()
        frame["traffic_lights"] = [(7, True), ("8", np.bool_(False))]
    frames[9]["anns"]["gt_boxes"] = frames[9]["anns"]["gt_boxes"].tolist()
    LogFrames(frames, tmp_path / "a.pkl").check(0, 14)


def test_a_plan_needs_the_history_alone(tmp_path: Path) -> None:
    """Frames of a private split may be of another drive after the present one."""
    frames = make_log("a", 14)
    _shift(frames, 6, 100.0)
    for frame in frames:
        del frame["anns"]
    wish = SceneFilter(num_future_frames=10)
    loader = SceneLoader(write_split(tmp_path, {"a": frames}), None, wish)
    loader.get_agent_input_from_token(loader.tokens[0])
    frames = make_log("b", 14)
    _shift(frames, 2, 100.0)
    loader = SceneLoader(write_split(tmp_path, {"a": frames}), None, wish)
    with pytest.raises(DataError, match=r"100\.5 s after"):
        loader.get_agent_input_from_token(loader.tokens[0])


def test_a_token_names_one_frame(tmp_path: Path) -> None:
    logs = {"a": make_log("a", 20), "b": make_log("b", 20)}
    logs["a"][9]["token"] = logs["a"][NOW]["token"]  # no scene begins there
    logs["b"][NOW + 14]["token"] = "shared"
    logs["c"] = [*make_log("c", 17), *logs["b"][17:]]
    folder = write_split(tmp_path, logs)
    loader = SceneLoader(folder, None, SceneFilter(num_future_frames=10))
    for token in (logs["a"][NOW]["token"], "shared"):
        with pytest.raises(SceneError, match="names more than one frame"):
            find_frame(folder, token)
    with pytest.raises(SceneError, match="names more than one frame"):
        loader.get_agent_input_from_token(logs["a"][NOW]["token"])
    assert preflight(loader, SensorConfig.build_no_sensors()).faults.count == 1
    assert find_frame(folder, logs["b"][NOW]["token"])[1] == NOW


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_mutated_log_is_read_soundly_or_refused(tmp_path: Path, protocol: int) -> None:
    """100 mutations: a log whose scenes can be planned and parsed, or an error of ours."""
    draw = random.Random(protocol)
    frames = make_log("a", 14)
    for frame in frames:
        frame["cams"] = {name: frame["cams"][name] if name == "CAM_F0" else {} for name in CAMERAS}
        frame["traffic_lights"] = [(5, True), (6, False)]
    content = pickle.dumps(frames, protocol)
    folder = write_split(tmp_path, {"a": frames})
    refused = 0
    for _ in range(100):
        (folder / "a.pkl").write_bytes(mutate(content, draw))
        try:
            loader = SceneLoader(folder, None, SceneFilter(num_future_frames=10))
            preflight(loader, FRONT, maps=True)
            for token in loader.tokens:
                loader.get_scene_from_token(token)
            ParsedLog(load_log(folder / "a.pkl"), folder / "a.pkl").moments(0, 14)
        except ReWorldError as error:
            assert error.message
            refused += 1
    assert refused > 20
