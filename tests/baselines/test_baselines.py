"""The three baselines: what they plan, and the blind one's weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from reworld_agent.baselines import ConstantVelocityAgent, EgoStatusMLPAgent, HumanAgent
from reworld_agent.baselines.ego_status_training import train
from reworld_agent.core.errors import SceneError, WeightsError
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.scenes.types import AgentInput, Scene, SensorConfig
from tests.scenes.small_logs import SPLIT, make_log, write_split

NO_SENSORS = SensorConfig.build_no_sensors()


def _window(**motion: float) -> tuple[AgentInput, Scene]:
    frames = make_log("a", 14, **motion)
    return (
        AgentInput.from_scene_dict_list(frames, Path(), 4, NO_SENSORS),
        Scene.from_scene_dict_list(frames, Path(), 4, 10, NO_SENSORS),
    )


def test_constant_velocity_ignores_the_curve() -> None:
    agent_input, _ = _window(speed=6.0, yaw_rate=0.2)
    agent_input.ego_statuses[-1].ego_velocity = np.array([3.0, 4.0], np.float32)
    poses = ConstantVelocityAgent().compute_trajectory(agent_input).poses
    assert poses.dtype == np.float32
    np.testing.assert_array_equal(poses[:, 0], 2.5 * np.arange(1, 9))
    assert not poses[:, 1:].any()


def test_human_is_the_log_and_needs_its_future() -> None:
    agent_input, scene = _window(speed=6.0, yaw_rate=0.2)
    agent = HumanAgent()
    assert agent.requires_scene
    poses = agent.compute_trajectory(agent_input, scene).poses
    np.testing.assert_allclose(poses[:, 2], 0.1 * np.arange(1, 9), atol=1e-9)
    scene.frames = scene.frames[:9]
    with pytest.raises(SceneError, match="has 5 future frames, 8 are asked for"):
        agent.compute_trajectory(agent_input, scene)


def test_the_blind_planner_sees_velocity_acceleration_and_command() -> None:
    agent = EgoStatusMLPAgent(hidden_size=16)
    agent_input, scene = _window(speed=6.0)
    (builder,) = agent.get_feature_builders()
    features = builder.compute_features(agent_input)["ego_status"]
    assert features.tolist() == [6.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    (target_builder,) = agent.get_target_builders()
    targets = target_builder.compute_targets(scene)["trajectory"]
    assert targets.shape == (8, 3)
    assert targets.dtype == torch.float32
    assert agent.compute_trajectory(agent_input).poses.shape == (8, 3)


def test_weights_missing_or_of_another_size_are_told(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    agent = EgoStatusMLPAgent(hidden_size=16, checkpoint_path=str(path))
    with pytest.raises(WeightsError, match="no such weights"):
        agent.initialize()
    save_file(EgoStatusMLPAgent(hidden_size=8).mlp.state_dict(), path)
    with pytest.raises(WeightsError, match="size mismatch"):
        agent.initialize()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        agent.initialize()


def test_other_files_are_no_weights(tmp_path: Path) -> None:
    for name in ("a.csv", "a.ckpt", "a.safetensors"):
        (tmp_path / name).write_bytes(b"token,valid\n1,2\n")
        with pytest.raises(WeightsError, match=r"no readable file of them") as caught:
            EgoStatusMLPAgent(checkpoint_path=str(tmp_path / name)).initialize()
        assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("wrong", [-4.0, float("nan"), float("inf")])
def test_horizons_are_finite_and_ahead(wrong: float) -> None:
    with pytest.raises(ValueError, match="must be finite, and not negative"):
        HumanAgent(time_horizon=wrong)


def test_training_learns_and_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = {f"log{v}": make_log(f"log{v}", 18, speed=float(v)) for v in range(1, 9)}
    write_split(tmp_path, logs)
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path))
    paths = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    losses = [train(SPLIT, epochs=25, batch_size=8, output=path) for path in paths]
    assert losses[0] == losses[1] < 0.5
    first, second = (load_file(path) for path in paths)
    assert all(torch.equal(first[name], second[name]) for name in first)
    agent = EgoStatusMLPAgent(checkpoint_path=str(paths[0]))
    agent.initialize()
    loader = resolve_split(SPLIT).loader(SceneFilter(frame_interval=1))
    scene = loader.get_scene_from_token(loader.tokens[20])
    planned = agent.compute_trajectory(loader.get_agent_input_from_token(loader.tokens[20]))
    error = np.abs(planned.poses - scene.get_future_trajectory(8).poses)
    assert error[:, 0].mean() < 1.5


def test_the_shipped_weights_load_and_go_ahead() -> None:
    agent = EgoStatusMLPAgent()
    agent.initialize()
    agent_input, scene = _window(speed=8.0)
    poses = agent.compute_trajectory(agent_input).poses
    error = np.abs(poses - scene.get_future_trajectory(8).poses)
    assert error[:, 0].mean() < 4.0
    assert error[:, 1].mean() < 1.0
