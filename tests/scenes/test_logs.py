"""What is wrong with a log is said with its file and frame."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.scenes.frame_checks import validate_frame
from reworld_agent.scenes.log_index import LogIndex, find_frame
from reworld_agent.scenes.logs import load_log
from tests.scenes.small_logs import make_frame, make_log, write_split

FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unequal": (lambda f: f["anns"]["track_tokens"].append("x"), "differ in length"),
    "nan speed": (lambda f: f.update(ego_dynamic_state=[np.nan, 0, 0, 0]), "not finite"),
    "nan place": (lambda f: f["ego2global_translation"].fill(np.nan), "not finite"),
    "class": (lambda f: f["anns"].update(gt_names=["dragon"]), "unknown class name 'dragon'"),
    "key": (lambda f: f.pop("ego_dynamic_state"), "has no 'ego_dynamic_state'"),
    "anns key": (lambda f: f["anns"].pop("gt_boxes"), "has no 'gt_boxes'"),
    "no anns": (lambda f: f.pop("anns"), "has no 'anns'"),
    "box": (lambda f: f["anns"]["gt_boxes"].fill(np.inf), "gt_boxes is not finite"),
    "columns": (lambda f: f["anns"].update(gt_boxes=np.zeros((1, 6))), r"\(1, 7\)"),
    "rotation": (lambda f: f.update(ego2global_rotation=[1.0]), "shape"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_frames_are_named(fault: str) -> None:
    frame = make_frame("log", 3)
    validate_frame(frame, "log.pkl")
    spoil, message = FAULTS[fault]
    spoil(frame)
    with pytest.raises(DataError, match=message) as caught:
        validate_frame(frame, "log.pkl")
    assert "log.pkl" in str(caught.value)
    assert frame["token"] in str(caught.value)


def test_frames_of_a_private_test_log_need_no_boxes() -> None:
    frame = make_frame("log", 0)
    del frame["anns"]
    validate_frame(frame, "log.pkl", annotations=False)


def test_frames_without_objects_pass() -> None:
    frame = make_frame("log", 0)
    empty = {"gt_boxes": np.zeros((0, 7)), "gt_velocity_3d": np.zeros((0, 3)), "gt_names": []}
    frame["anns"] = {**empty, "instance_tokens": [], "track_tokens": []}
    validate_frame(frame, "log.pkl")


def test_a_log_must_be_a_list_of_frames(tmp_path: Path) -> None:
    logs: dict[str, Any] = {"a": {"not": "a list"}, "b": [{"no": "token"}]}
    folder = write_split(tmp_path, logs)
    for name, message in (("a", "list of frame dicts"), ("b", "frame 0 has no 'token'")):
        with pytest.raises(DataError, match=message):
            load_log(folder / f"{name}.pkl")
    with pytest.raises(DataError, match=r"c\.pkl: cannot read"):
        load_log(folder / "c.pkl")


def test_logs_are_kept_and_reread_when_changed(tmp_path: Path) -> None:
    folder = write_split(tmp_path, {"a": make_log("a", 3)})
    first = load_log(folder / "a.pkl")
    assert load_log(folder / "a.pkl") is first
    write_split(tmp_path, {"a": make_log("a", 5)})
    assert len(load_log(folder / "a.pkl")) == 5


def test_index_finds_tokens_and_survives_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = {name: make_log(name, 6) for name in ("b", "a")}
    folder = write_split(tmp_path, logs)
    token = logs["b"][4]["token"]
    assert find_frame(folder, token) == (folder / "b.pkl", 4)
    with pytest.raises(SceneError, match="deadbeef is in none of the 2 logs"):
        find_frame(folder, "deadbeef")
    write_split(tmp_path, {"b": logs["b"][2:]})  # a log that changes is read again
    assert find_frame(folder, token) == (folder / "b.pkl", 2)
    write_split(tmp_path, logs)

    store = tmp_path / "index.json"
    index = LogIndex(folder, store)
    for path in index.paths:
        index.entry(path)
    index.keep(worth_s=0.0)
    monkeypatch.setattr(
        "reworld_agent.scenes.log_index.load_log", lambda path: pytest.fail("log opened again")
    )
    assert LogIndex(folder, store).position(token) == (folder / "b.pkl", 4)
    store.write_text("{", encoding="utf-8")  # damaged: made again from the logs
    monkeypatch.undo()
    assert LogIndex(folder, store).position(token) == (folder / "b.pkl", 4)


def test_a_folder_without_logs_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder of logs"):
        LogIndex(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no log"):
        LogIndex(tmp_path)


def test_validation_leaves_frames_alone() -> None:
    frame = make_frame("log", 1)
    before = copy.deepcopy(frame)
    validate_frame(frame, "log.pkl")
    np.testing.assert_equal(frame, before)
