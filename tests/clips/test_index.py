"""Resampling, cutting, splits, motion, the index file and the dataset over it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from reworld_agent.clips.build import build_index
from reworld_agent.clips.dataset import ClipDataset
from reworld_agent.clips.index import ClipIndex, read_index, write_index
from reworld_agent.clips.json_stream import records
from reworld_agent.clips.kinematics import driven_command, make_track
from reworld_agent.clips.recording import Recording, in_time_order
from reworld_agent.clips.resample import nearest, steady_grid
from reworld_agent.clips.sources import Options
from reworld_agent.clips.splits import folder_split, scene_place, split_rule
from reworld_agent.clips.windows import ClipShape, cut
from reworld_agent.config import load_model_config
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.training.datasets.clip_samples import ClipSamples
from tests.clips.media import frame, levels, write_images, write_video
from tests.clips.tables import write_nuscenes


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=40, unique=True),
    st.lists(st.floats(-5, 105), min_size=1, max_size=20),
)
def test_nearest_is_nearest(times: list[float], wanted: list[float]) -> None:
    clock = np.array(sorted(times))
    found = nearest(clock, np.array(wanted))
    distance = np.abs(clock[None] - np.array(wanted)[:, None])
    assert (distance[np.arange(len(wanted)), found] <= distance.min(axis=1) + 1e-6).all()


def test_steady_grid_reaches_the_last_frame() -> None:
    assert len(steady_grid(np.arange(33) / 8, 8)) == 33
    assert len(steady_grid(np.array([0.0]), 8)) == 1
    assert len(steady_grid(np.array([0.0, 1.0]), 3)) == 4


@pytest.mark.parametrize("rate", [8, 12, 16, 30])
def test_a_jittering_clock_loses_no_frame(rate: int) -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        even = np.arange(4 * rate + 1) / rate
        times = even + random.uniform(-0.2, 0.2, len(even)) / rate
        grid = steady_grid(times, 8)
        assert len(grid) == 33
        found = nearest(times, grid)
        assert (np.diff(found) > 0).all()  # no frame twice
        assert np.abs(times[found] - grid).max() <= 0.5 / 8


def test_no_clip_reaches_over_a_gap() -> None:
    stamps = np.array([k * 125_000 for k in range(40) if not 20 <= k < 23], dtype=np.int64)
    recording = Recording("folder", "s", "c", stamps, files=tuple(map(str, range(37))))
    found = cut(recording, ClipShape(fps=8, frames=5, stride=1))
    assert found.gaps == 3 and found.starts == [*range(16), *range(23, 36)]
    assert found.dropped == 36 - len(found.starts) and found.rate == pytest.approx(8)
    assert not len(cut(recording, ClipShape(fps=8, frames=41)).starts)


def test_frames_of_one_time_are_taken_once() -> None:
    stamps, files, notes = in_time_order(np.array([3, 1, 1, 2]), ["d", "a", "b", "c"], "x")
    assert stamps.tolist() == [1, 2, 3] and files == ("a", "c", "d") and len(notes) == 2


def test_split_keeps_scenes_whole_and_is_stable() -> None:
    rule = split_rule("")
    assert rule("scene-0001", "") == rule("scene-0001", "")
    assert rule("scene-0001", "val") == "val"  # the source's own
    names = [rule(f"scene-{k:04d}", "") for k in range(2000)]
    shares = [names.count(name) / 2000 for name in ("train", "val", "test")]
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.03)
    assert scene_place("scene-0001") == pytest.approx(0x056ABE3AED4E / 2**48)  # its sha256


def test_split_of_files(tmp_path: Path) -> None:
    table = tmp_path / "splits.csv"
    table.write_text("scene,split\na,train\nb,val\n")
    assert split_rule(str(table))("b", "") == "val"
    with pytest.raises(DataError, match="does not name scene c"):
        split_rule(str(table))("c", "")
    lists = tmp_path / "splits.json"
    lists.write_text(json.dumps({"train": ["a"], "test": ["a"]}))
    with pytest.raises(DataError, match="scene a is in train and in test"):
        split_rule(str(lists))
    official = {"train": ["a"], "val": ["b"], "train_detect": ["a"], "mini_val": ["b"]}
    lists.write_text(json.dumps(official))
    assert [split_rule(str(lists))(scene, "") for scene in "ab"] == ["train", "val"]
    with pytest.raises(DataError, match="is not a table of splits"):
        split_rule(str(tmp_path / "nothing.csv"))


def test_a_folder_of_test_logs_stays_one() -> None:
    named = {"train_boston": "train", "val": "val", "test": "test", "private_test_hard": "test"}
    assert {folder: folder_split(folder) for folder in named} == named
    assert not folder_split("trainval") and not folder_split("mini")
    assert split_rule("")("a log", folder_split("test")) == "test"


@pytest.mark.parametrize("text", ["80/20", "50/50/50", "a/b/c", "everything"])
def test_split_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError):
        split_rule(text)


def test_command_of_the_driven_path() -> None:
    t = np.linspace(0, 10, 101)
    straight = np.stack([5 * t, 0 * t, 0 * t], axis=1)
    command = driven_command(straight)
    assert (command[:60] == 1).all() and (command[-30:] == 3).all()
    angle = t / 5
    right = np.stack([20 * np.sin(angle), -20 * (1 - np.cos(angle)), -angle], axis=1)
    assert driven_command(right)[0] == 2


def test_motion_of_a_braking_car() -> None:
    t = np.arange(0, 4, 0.05)
    poses = np.stack([np.cos(2) * (10 * t - t**2), np.sin(2) * (10 * t - t**2), 0 * t + 2], 1)
    track = make_track((t * 1e6).astype(np.int64), poses)
    assert track is not None
    np.testing.assert_allclose(track.speed[2:-2], (10 - 2 * t)[2:-2], atol=1e-6)
    np.testing.assert_allclose(track.acceleration[3:-3], -2, atol=1e-6)
    np.testing.assert_allclose(track.yaw_rate, 0, atol=1e-9)
    assert make_track(np.array([5, 5]), poses[:2]) is None


def test_json_records_over_chunk_borders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"token": f"t{k}", "text": '"},{["' * k, "values": [k, k / 3]} for k in range(50)]
    path = tmp_path / "table.json"
    path.write_text(json.dumps(rows, indent=1))
    for chunk in (7, 100, 1 << 20):
        monkeypatch.setattr("reworld_agent.clips.json_stream._CHUNK", chunk)
        assert list(records(path)) == rows
    for text, message in (
        ("{}", "does not start"),
        ('[{"a": 1}', "ends"),
        ("[3]", "not an object"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            list(records(path))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ClipIndex:
    root = write_nuscenes(tmp_path_factory.mktemp("nuscenes"))
    shape = ClipShape(fps=8, frames=9, stride=8)
    return build_index("nuscenes", root, shape, split_rule("50/25/25"), Options())[0]


def test_index_on_disk(index: ClipIndex, tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    write_index(path, index)
    again = read_index(path)
    assert again.root == index.root and len(again) == len(index)
    assert again.provenance["fps"] == 8 and again.provenance["source"] == "nuscenes"
    for name in ("files", "timestamps", "speed", "command"):
        assert list(again.row(3)[name]) == list(index.row(3)[name])
    assert read_index(path, tmp_path).root == tmp_path
    with pytest.raises(DataError, match="none of number 99"):
        again.row(99)


def test_index_that_is_none(tmp_path: Path, index: ClipIndex) -> None:
    path = tmp_path / "index.parquet"
    with pytest.raises(DataError, match="cannot be read"):
        read_index(path)
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(DataError, match="cannot be read"):
        read_index(path)
    index.rows.to_parquet(path)
    with pytest.raises(DataError, match="is not an index of clips"):
        read_index(path)
    write_index(path, ClipIndex.of_rows(index.rows.iloc[[0, 0]], index.root, index.provenance))
    with pytest.raises(DataError, match="names clips twice"):
        read_index(path)


def test_deleted_and_changed_files(tmp_path: Path) -> None:
    root = write_nuscenes(tmp_path, scenes=1)
    shape = ClipShape(fps=8, frames=9, stride=8)
    found, _ = build_index("nuscenes", root, shape, split_rule("train"), Options())
    found.check_files()
    first = root / found.row(0)["files"][2]
    content = first.read_bytes()
    first.write_bytes(content + b"more")
    with pytest.raises(DataError, match=r"1 clips are not as they were indexed: scene-0001"):
        found.check_files()
    for name in found.row(1)["files"]:
        (root / name).unlink()
    with pytest.raises(DataError, match=r"9 of \d+ files of the index are gone .* and 6 more"):
        ClipDataset(found)


def test_a_changed_video(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", [frame(k) for k in range(12)])
    shape = ClipShape(fps=8, frames=9)
    found, _ = build_index("folder", tmp_path, shape, split_rule("train"), Options())
    found.check_files()
    write_video(tmp_path / "v.mp4", [frame(k) for k in range(11, -1, -1)] * 2)
    with pytest.raises(DataError, match="1 clips are not as they were indexed"):
        found.check_files()


def test_two_recordings_of_one_name(tmp_path: Path) -> None:
    pictures = [frame(k) for k in range(12)]
    for name in ("a.mkv", "a.mp4", "b.mp4"):
        write_video(tmp_path / name, pictures)
    shape = ClipShape(fps=8, frames=9)
    found, findings = build_index("folder", tmp_path, shape, split_rule("train"), Options())
    assert set(found.rows["video"]) == {"a.mkv", "b.mp4"}
    assert [one.name for one in findings.refused] == ["a.mp4"]
    assert "those of a.mkv: rename it" in findings.refused[0].reason


def test_dataset_through_workers(index: ClipIndex) -> None:
    dataset = ClipDataset(index, size=(18, 32))
    loader = DataLoader(dataset, batch_size=4, num_workers=1, multiprocessing_context="fork")
    batch = next(iter(loader))
    assert batch["frames"].shape == (4, 9, 3, 18, 32) and batch["motion"].shape == (4, 9, 3)
    assert batch["command"].sum(dim=2).eq(1).all() and batch["motion_known"].all()
    np.testing.assert_allclose(batch["times"][0], np.arange(9) / 8, atol=0.045)
    alone = dataset[2]
    assert (batch["frames"][2] == alone["frames"]).all()
    # each picture tells its number: level 20 + frame
    told = alone["frames"].float().mean(dim=(1, 2, 3)).numpy() - 20
    np.testing.assert_allclose(told, index.row(2)["indices"], atol=0.6)


def test_dataset_of_videos(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", [frame(k) for k in range(20)])
    write_images(tmp_path / "i", [frame(k) for k in range(20)])
    shape = ClipShape(fps=4, frames=4, stride=2)
    found, _ = build_index("folder", tmp_path, shape, split_rule(""), Options(fps=8))
    dataset = ClipDataset(found, frames=3)
    videos = [k for k in range(len(found)) if found.row(k)["kind"] == "video"]
    assert levels(dataset[videos[1]]["frames"].numpy()) == [4, 6, 8]
    assert not dataset[0]["motion_known"] and dataset[0]["command"][:, 3].eq(1).all()
    with pytest.raises(ConfigError, match="clips of 4 frames, 5 are asked for"):
        ClipDataset(found, frames=5)


def test_split_of_an_index(index: ClipIndex) -> None:
    name = index.rows["split"].iloc[0]
    assert set(index.split(name).rows["split"]) == {name}
    with pytest.raises(DataError, match="no clips of split night"):
        index.split("night")


def test_samples_for_stage_1(index: ClipIndex) -> None:
    config = load_model_config("tiny")
    clip = replace(config.world_clip, fps=8.0, history_frames=5, future_frames=4)
    samples = ClipSamples(index, clip)
    features, targets, name = samples[1]
    assert features["images"].shape == (5, 3, 64, 112) and features["images"].dtype == torch.uint8
    assert targets["future_images"].shape == (4, 3, 64, 112)
    row = index.row(1)
    expected = [row["speed"][4], 0, row["acceleration"][4], 0, 1, 0, 0, 0]
    np.testing.assert_allclose(features["ego"], expected, atol=1e-5)
    assert name == row["clip_id"]
    with pytest.raises(ConfigError, match="the clips have 8 fps, the model's 2"):
        ClipSamples(index, config.world_clip)
    with pytest.raises(ConfigError, match="clips of 9 frames, 13 are asked for"):
        ClipSamples(index, replace(clip, future_frames=8))
