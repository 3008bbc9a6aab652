"""NAVSIM objects to tensors."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from reworld_agent.config import load_model_config
from reworld_agent.core.errors import ConfigError, SceneError
from reworld_agent.features import build_features, build_targets, resize_image

CONFIG = load_model_config("tiny")


def cameras(value: int | None, size: tuple[int, int] = (128, 224)) -> Any:
    """Cameras whose front image is of one grey, or missing."""
    image = None if value is None else np.full((*size, 3), value, np.uint8)
    return SimpleNamespace(cam_f0=SimpleNamespace(image=image))


def status(velocity: float = 5.0) -> Any:
    """An ego status."""
    return SimpleNamespace(
        ego_velocity=np.array([velocity, 0.5]),
        ego_acceleration=np.array([1.0, -0.25]),
        driving_command=np.array([0, 1, 0, 0]),
    )


def agent_input(frames: int = 4) -> Any:
    """An agent input whose images are 0, 10, 20, ..."""
    return SimpleNamespace(
        cameras=[cameras(10 * i) for i in range(frames)], ego_statuses=[status()] * frames
    )


def scene(frames: int = 14) -> Any:
    """A scene whose images are 0, 10, 20, ... and whose expert drives straight at 5 m/s."""
    poses = np.array([[2.5 * (i + 1), 0, 0] for i in range(frames - 4)])
    return SimpleNamespace(
        scene_metadata=SimpleNamespace(num_history_frames=4, initial_token="abc"),
        frames=[SimpleNamespace(cameras=cameras(10 * i), token=f"t{i}") for i in range(frames)],
        get_future_trajectory=lambda num_trajectory_frames: SimpleNamespace(
            poses=poses[:num_trajectory_frames]
        ),
    )


def test_features_are_oldest_first_and_of_the_configured_size() -> None:
    features = build_features(agent_input(), CONFIG)
    assert features["images"].shape == (4, 3, 64, 112) and features["images"].dtype == torch.uint8
    assert features["images"][:, 0, 0, 0].tolist() == [0, 10, 20, 30]
    assert features["ego"].tolist() == [5.0, 0.5, 1.0, -0.25, 0, 1, 0, 0]


def test_a_longer_history_gives_its_last_frames() -> None:
    assert build_features(agent_input(6), CONFIG)["images"][0, 0, 0, 0] == 20


def test_shrinking_averages_areas() -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    expected = image.reshape(2, 2, 3, 2, 3).mean((1, 3))
    assert np.abs(resize_image(image, 2, 3).astype(float) - expected).max() <= 0.5
    assert resize_image(image, 4, 6) is image
    assert resize_image(image, 8, 12).shape == (8, 12, 3)


def test_targets_hold_the_future_alone() -> None:
    targets = build_targets(scene(), CONFIG, future_images=True)
    assert targets["trajectory"].shape == (8, 3) and targets["trajectory"][-1, 0] == 20
    assert targets["future_images"][:, 0, 0, 0].tolist() == [40, 50, 60, 70, 80, 90, 100, 110]
    assert set(build_targets(scene(), CONFIG, future_images=False)) == {"trajectory"}


def test_bad_scenes_are_named() -> None:
    blind = agent_input()
    blind.cameras[2] = cameras(None)
    with pytest.raises(SceneError, match="history frame 2 has no front camera image"):
        build_features(blind, CONFIG)
    grey = agent_input()
    grey.cameras[0].cam_f0.image = np.zeros((4, 4), np.uint8)
    with pytest.raises(SceneError, match=r"uint8 \(4, 4\)"):
        build_features(grey, CONFIG)
    broken = agent_input()
    broken.ego_statuses = [status(float("nan"))]
    with pytest.raises(SceneError, match="not finite"):
        build_features(broken, CONFIG)
    with pytest.raises(SceneError, match="2 history frames, the model needs 4"):
        build_features(agent_input(2), CONFIG)
    with pytest.raises(SceneError, match="scene abc has 6 future frames"):
        build_targets(scene(10), CONFIG, future_images=True)
    planner = dataclasses.replace(CONFIG.planner, interval=0.25)
    with pytest.raises(ConfigError, match=r"planner.interval = 0\.25: logs have a pose every 0\.5"):
        build_targets(scene(), dataclasses.replace(CONFIG, planner=planner), future_images=False)
    dark = scene()
    dark.frames[5].cameras = cameras(None)
    with pytest.raises(SceneError, match="future frame t5 has no front camera"):
        build_targets(dark, CONFIG, future_images=True)
