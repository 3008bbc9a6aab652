"""Scene arrays: each frame decoded once, windows by index."""

from __future__ import annotations

import dataclasses
import errno
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.features import build_features, build_targets
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.sensors import SensorConfig
from reworld_agent.training.datasets import scene_arrays as data
from reworld_agent.training.datasets.future_images import check_host_config
from reworld_agent.training.datasets.scene_arrays import SceneArrays, SceneDataset, scene_arrays
from reworld_agent.training.loop import state_cache, state_store
from reworld_agent.training.loop.state_cache import CachedLatents, CachedStates, compute_states
from reworld_agent.training.loop.state_store import stored_states
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.stages import load_stage
from tests.model.micro import micro_config, micro_model
from tests.scenes.small_logs import make_log, write_images, write_split

CONFIG = micro_config()


def small_loader(root: Path, sensors: SensorConfig | None = None) -> SceneLoader:
    """Two logs of 16 frames: 6 scenes that overlap."""
    logs = {"a": make_log("a"), "b": make_log("b", yaw_rate=0.1)}
    folder = write_split(root, logs)
    for frames in logs.values():
        blobs = write_images(root, frames)
    return SceneLoader(folder, blobs, SceneFilter(frame_interval=1), sensors)


def decoded(arrays: SceneArrays) -> np.ndarray:
    """All frames."""
    return arrays.frames[np.arange(len(arrays.frames))]


def test_samples_are_what_the_feature_functions_give(tmp_path: Path) -> None:
    front = SensorConfig(**{**vars(SensorConfig.build_no_sensors()), "cam_f0": True})
    loader = small_loader(tmp_path, front)
    arrays = scene_arrays(loader, CONFIG, future_images=True, cache=tmp_path / "cache")
    assert len(arrays) == 6 and arrays.frames.shape[0] == 2 * 14  # windows reach 12 frames far
    dataset = SceneDataset(arrays, 4)
    for number, token in enumerate(loader.tokens):
        features, targets, found = dataset[number]
        assert found == token
        expected = build_features(loader.get_agent_input_from_token(token), CONFIG)
        assert torch.equal(features["images"], expected["images"])
        assert torch.equal(features["ego"], expected["ego"])
        wanted = build_targets(loader.get_scene_from_token(token), CONFIG, True)
        assert torch.equal(targets["trajectory"], wanted["trajectory"])
        assert torch.equal(targets["future_images"], wanted["future_images"])


def test_history_alone_needs_no_future_image(tmp_path: Path) -> None:
    loader = small_loader(tmp_path)
    for file in (tmp_path / "sensor_blobs").rglob("*.jpg"):
        if int(file.stem[8:], 16) > 5:  # frames that are nobody's history
            file.unlink()
    arrays = scene_arrays(loader, CONFIG, future_images=False, cache=tmp_path / "cache")
    assert "future_images" not in SceneDataset(arrays, 4)[0][1]
    with pytest.raises(DataError, match="jpg"):
        scene_arrays(loader, CONFIG, future_images=True, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("draft_*"))


def test_second_call_reads_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = small_loader(tmp_path)
    first = scene_arrays(loader, CONFIG, False, tmp_path / "cache")
    monkeypatch.setattr(data, "_write", None)
    again = scene_arrays(loader, CONFIG, False, tmp_path / "cache")
    assert np.array_equal(decoded(first), decoded(again)) and first.tokens == again.tokens


def _overwrite(file: Path, content: bytes) -> None:
    """Other bytes of the same size and time, as `rsync -t` leaves them."""
    about = file.stat()
    assert len(content) == about.st_size
    file.write_bytes(content)
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_arrays_are_of_the_bytes_of_logs_and_images(tmp_path: Path) -> None:
    first_loader = small_loader(tmp_path)
    first = scene_arrays(first_loader, CONFIG, False, tmp_path / "cache")
    log = first_loader.data_path / "a.pkl"
    frames = pickle.loads(log.read_bytes())
    for frame in frames:
        frame["ego_dynamic_state"][0] += 0.25
    _overwrite(log, pickle.dumps(frames, pickle.HIGHEST_PROTOCOL))
    blobs = first_loader.sensor_blobs_path
    loader = SceneLoader(log.parent, blobs, SceneFilter(frame_interval=1))
    again = scene_arrays(loader, CONFIG, False, tmp_path / "cache")
    assert not np.array_equal(first.ego, again.ego)
    image = next(blobs.rglob("*.jpg"))
    Image.new("RGB", Image.open(image).size, (255, 0, 0)).save(image)
    other_images = scene_arrays(loader, CONFIG, False, tmp_path / "cache")
    assert not np.array_equal(decoded(again), decoded(other_images))
    for file in (tmp_path / "cache").glob("*/ego.npy"):
        _overwrite(file, file.read_bytes()[:-4] + b"?" * 4)
    with pytest.raises(DataError, match=r"ego\.npy is not as it was made"):
        scene_arrays(loader, CONFIG, False, tmp_path / "cache")


@pytest.mark.parametrize("locks", [True, False])
def test_processes_that_start_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: bool
) -> None:
    """As threads: a lock of this kind keeps them apart too."""
    loader, write, begun = small_loader(tmp_path), data._write, threading.Barrier(3)
    writers = []

    def slowly(*arguments: Any) -> None:
        writers.append(arguments)
        if not locks:
            begun.wait(timeout=20)  # all of them are here before the first has written anything
        write(*arguments)

    def no_lock(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(data, "_write", slowly)
    if not locks:
        monkeypatch.setattr("fcntl.flock", no_lock)
    with ThreadPoolExecutor(3) as pool:
        cache = tmp_path / "cache"
        jobs = [pool.submit(scene_arrays, loader, CONFIG, False, cache) for _ in range(3)]
        found = [job.result() for job in jobs]
    assert len(writers) == (1 if locks else 3)
    assert all(np.array_equal(decoded(found[0]), decoded(other)) for other in found[1:])
    assert not list(cache.glob("draft_*")) and len(list(cache.glob("*/scenes.json"))) == 1


def test_frames_that_stay_in_their_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above 4 GB nothing is decoded beforehand: the samples are the same, in workers too."""
    loader, config = small_loader(tmp_path), CONFIG
    raw = scene_arrays(loader, config, True, tmp_path / "raw")
    monkeypatch.setattr("reworld_agent.training.datasets.scene_arrays._MOST_RAW", 0)
    lazy = scene_arrays(loader, config, True, tmp_path / "lazy")
    assert lazy.frames.shape == raw.frames.shape and not list(tmp_path.glob("lazy/*/frames.npy"))
    few = np.array([[0, 3], [3, 1]])
    np.testing.assert_array_equal(lazy.frames[few], raw.frames[few])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy.frames))[5], raw.frames[5])
    samples = [SceneDataset(arrays, 4) for arrays in (raw, lazy)]
    expected, found = (next(iter(torch.utils.data.DataLoader(s, 3))) for s in samples)
    assert torch.equal(found[0]["images"], expected[0]["images"])
    assert torch.equal(found[1]["future_images"], expected[1]["future_images"])
    for file in (tmp_path / "sensor_blobs").rglob("*.jpg"):
        file.unlink()
    with pytest.raises(DataError, match=r"image of frame \w+ is missing"):
        scene_arrays(loader, config, False, tmp_path / "again")


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    loader = small_loader(tmp_path)
    (tmp_path / "cache").touch()
    with pytest.raises(DataError, match="cache: cannot be written") as caught:
        scene_arrays(loader, CONFIG, False, tmp_path / "cache")
    assert "cache_path=" in str(caught.value.hint)


def test_negatives_carry_an_explicit_mark(tmp_path: Path) -> None:
    loader = small_loader(tmp_path)
    arrays = scene_arrays(loader, CONFIG, False, tmp_path / "cache")
    negative = np.full((8, 3), -2, np.float32)
    dataset = SceneDataset(arrays, 4, {loader.tokens[1]: negative})
    assert not dataset[0][1]["hard_negative_valid"]
    assert dataset[1][1]["hard_negative_valid"]
    assert torch.equal(dataset[1][1]["hard_negative"], torch.from_numpy(negative))


def test_a_host_without_future_images_is_told_before_it_loads_a_scene(tmp_path: Path) -> None:
    loader = small_loader(tmp_path)
    host = OmegaConf.create(
        {
            "navsim_log_path": str(loader.data_path),
            "sensor_blobs_path": str(loader.sensor_blobs_path),
            "train_test_split": {"scene_filter": {"_target_": "x", "frame_interval": 1}},
            "model": "tiny",
            "recipe": "paper",
        }
    )
    check_host_config(host)
    for file in (tmp_path / "sensor_blobs").rglob("*.jpg"):
        if int(file.stem[8:], 16) > 5:
            file.unlink()
    with pytest.raises(DataError, match="images of") as caught:
        check_host_config(host)
    hint = str(caught.value.hint)
    assert "the 8 frames after the current one" in hint and "navtrain comes without them" in hint
    host.use_cache_without_dataset = True  # the targets are cached: no image is opened
    check_host_config(host)


def test_kept_states_are_those_of_planning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader, model = small_loader(tmp_path), micro_model().eval()
    scenes = SceneDataset(scene_arrays(loader, CONFIG, False, tmp_path / "cache"), 4)
    kept = CachedStates(scenes, compute_states(scenes, model))
    features, _, token = kept[3]
    images = scenes[3][0]["images"][None]
    with torch.no_grad():
        states = model.video_states(model.encode(images), model.future_noise(1))
    expected = torch.stack(states, dim=1)[0]
    torch.testing.assert_close(features["states"].float(), expected, rtol=2e-3, atol=2e-3)
    assert token == loader.tokens[3] and torch.equal(features["ego"], scenes[3][0]["ego"])
    stage = load_stage("2", overrides={"noise_draws": 1})
    batch = torch.utils.data.default_collate([kept[n][:2] for n in (0, 3)])
    loss, _ = stage_loss(model, stage, batch[0], batch[1], torch.Generator().manual_seed(0))
    assert torch.isfinite(loss)
    monkeypatch.setattr(state_cache, "MEMORY_SHARE", 1e-9)
    with pytest.raises(ConfigError, match=r"what is kept of 6 scenes takes [\d,]+ bytes"):
        compute_states(scenes, model)


def test_stored_states_are_made_once_for_all_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path))
    loader, model = small_loader(tmp_path), micro_model().eval()
    scenes = SceneDataset(scene_arrays(loader, CONFIG, False, tmp_path / "cache"), 4)
    first = stored_states(scenes, model)
    torch.testing.assert_close(first, compute_states(scenes, model), rtol=0, atol=0)
    first.zero_()  # whoever changes them does not change the file
    with monkeypatch.context() as patch:
        patch.setattr(state_store, "fill_states", None)  # a second run makes nothing
        with torch.no_grad():  # another planner sees the same states
            next(model.action_dit.parameters()).add_(1)
        again = stored_states(scenes, model)
    assert again.any()
    (file,) = tmp_path.glob("training/states_*/states.npy")
    whole = scenes.arrays
    scenes.arrays = whole.where(np.arange(6) > 0)
    assert torch.equal(stored_states(scenes, model), again[1:])
    scenes.arrays = whole
    known = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():  # another Video DiT does not
        for parameter in model.video_dit.parameters():
            parameter.mul_(1.1)
    assert not torch.equal(stored_states(scenes, model), again)
    assert len(list(tmp_path.glob("training/states_*/states.npy"))) == 3
    other = tmp_path / "elsewhere"
    stored_states(scenes, model, other)
    assert len(list(other.glob("states_*/states.npy"))) == 1
    model.load_state_dict(known)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match=r"states\.npy is not as it was made"):
        stored_states(scenes, model)
    file.with_name("states.json").unlink()
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(data.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match="10 bytes left, the video states need"):
        stored_states(scenes, model)
    assert not list(tmp_path.glob("training/draft_*"))
    with pytest.raises(ConfigError, match="store_states=true, but cache_states=false"):
        load_stage("2", overrides={"cache_states": False, "store_states": True})


def test_kept_latents_are_those_that_stage_1_encodes(tmp_path: Path) -> None:
    loader, model = small_loader(tmp_path), micro_model().eval()
    scenes = SceneDataset(scene_arrays(loader, CONFIG, True, tmp_path / "cache"), 4)
    kept = CachedLatents(scenes, model)
    stage, losses = load_stage("1", overrides={"phases": []}), []
    for samples in (scenes, kept):
        features, targets = torch.utils.data.default_collate([samples[n][:2] for n in (0, 3)])
        generator = torch.Generator().manual_seed(0)
        losses.append(stage_loss(model, stage, features, targets, generator)[0])
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-3, atol=0)
    assert kept[3][2] == loader.tokens[3] and "images" not in kept[3][0]
    with pytest.raises(ConfigError, match="cache_latents=true, but the stage does not read"):
        load_stage("2", overrides={"cache_latents": True})
    drawn = dataclasses.replace(model.config.codec, posterior="sample")
    model.config = dataclasses.replace(model.config, codec=drawn)
    with pytest.raises(ConfigError, match=r"codec\.posterior=sample"):
        CachedLatents(scenes, model)


def test_no_space_and_no_scene_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = small_loader(tmp_path)
    monkeypatch.setattr(data.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(DataError, match=r"10 bytes left, the training arrays need 55,296"):
        scene_arrays(loader, CONFIG, False, tmp_path / "cache")
    empty = SceneLoader(loader.data_path, None, SceneFilter(tokens=("none",)))
    with pytest.raises(DataError, match="no scene"):
        scene_arrays(empty, CONFIG, False, tmp_path / "cache")
