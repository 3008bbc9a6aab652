"""The agent never raises for one bad scene, never plans NaN, and says what it did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from reworld_agent.agent import ReWorldAgent, constant_velocity
from reworld_agent.config import load_model_config
from reworld_agent.core.errors import ConfigError, DataError, ReWorldError, WeightsError
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.pool import write_pool
from reworld_agent.scenes.types import AgentInput, Camera, Cameras, EgoStatus, Lidar
from tests.scenes.small_logs import SPLIT
from tests.training.test_data import small_loader

CAMERAS = ("cam_f0", "cam_l0", "cam_l1", "cam_l2", "cam_r0", "cam_r1", "cam_r2", "cam_b0")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights at tiny size, on disk."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    ReWorldModel(load_model_config("tiny")).save_pretrained(folder)
    return folder


@pytest.fixture
def agent(weights: Path) -> Iterator[ReWorldAgent]:
    torch.set_num_threads(1)
    agent = ReWorldAgent(checkpoint_path=str(weights), device="cpu")
    agent.initialize()
    yield agent


def agent_input(
    seed: int = 0, size: tuple[int, int] = (108, 192), speed: float = 7.0
) -> AgentInput:
    rng = np.random.default_rng(seed)
    cameras, statuses = [], []
    for _ in range(4):
        image = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
        named = {name: Camera() for name in CAMERAS} | {"cam_f0": Camera(image=image)}
        cameras.append(Cameras(**named))
        statuses.append(
            EgoStatus(
                ego_pose=np.zeros(3, dtype=np.float32),
                ego_velocity=np.array([speed, 0.0], dtype=np.float32),
                ego_acceleration=np.zeros(2, dtype=np.float32),
                driving_command=np.array([0, 1, 0, 0]),
            )
        )
    return AgentInput(statuses, cameras, [Lidar()] * 4)


def test_plan_is_finite_and_deterministic(agent: ReWorldAgent) -> None:
    first = agent.compute_trajectory(agent_input())
    assert first.poses.shape == (8, 3)
    assert np.isfinite(first.poses).all()
    assert agent.fallback_reasons == [None]
    assert np.array_equal(first.poses, agent.compute_trajectory(agent_input()).poses)
    assert agent.requires_scene is False


def test_a_plan_does_not_depend_on_its_batch(agent: ReWorldAgent) -> None:
    alone = agent.compute_trajectory(agent_input(1)).poses
    batch = agent.compute_trajectories([agent_input(0), agent_input(1), agent_input(2)])
    np.testing.assert_allclose(batch[1].poses, alone, atol=1e-4)


@pytest.mark.parametrize("size", [(64, 112), (1080, 1920), (37, 53)])
def test_any_image_size(agent: ReWorldAgent, size: tuple[int, int]) -> None:
    assert np.isfinite(agent.compute_trajectory(agent_input(size=size)).poses).all()
    assert agent.fallback_reasons == [None]


def test_one_bad_scene_falls_back_alone(agent: ReWorldAgent) -> None:
    bad = agent_input(1)
    bad.cameras[2].cam_f0.image = None
    plans = agent.compute_trajectories([agent_input(0), bad, agent_input(2)])
    assert agent.fallback_reasons[0] is None and agent.fallback_reasons[2] is None
    assert "front camera" in (agent.fallback_reasons[1] or "")
    np.testing.assert_array_equal(plans[1].poses, constant_velocity(bad, agent.sampling))
    assert agent.fallback_count == 1


def test_nan_speed_stands_still(agent: ReWorldAgent) -> None:
    plan = agent.compute_trajectory(agent_input(speed=float("nan")))
    np.testing.assert_array_equal(plan.poses, np.zeros((8, 3)))
    assert "not finite" in (agent.fallback_reasons[0] or "")


def test_plan_that_is_not_finite_falls_back(agent: ReWorldAgent) -> None:
    assert agent.model is not None
    with torch.no_grad():
        next(agent.model.action_dit.parameters()).fill_(float("nan"))
    plan = agent.compute_trajectory(agent_input())
    np.testing.assert_array_equal(plan.poses, constant_velocity(agent_input(), agent.sampling))
    assert "not finite" in (agent.fallback_reasons[0] or "")


def test_planning_before_initialize_is_named() -> None:
    with pytest.raises(ReWorldError, match=r"initialize\(\)"):
        ReWorldAgent(device="cpu").compute_trajectory(agent_input())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "huge"}, "huge"),
        ({"stage": 7}, "stage=7 does not exist"),
        ({"recipe": "mine"}, "recipe=mine"),
        ({"dtype": "float8"}, "float8"),
        ({"overrides": {"learning_rat": 1}}, "learning_rat"),
        ({"hard_negatives": {"pol": "a"}}, "did you mean hard_negatives.pool="),
    ],
)
def test_unknown_settings_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ReWorldAgent(**{"device": "cpu", **arguments})


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=str(tmp_path)):
        ReWorldAgent(checkpoint_path=str(tmp_path), device="cpu").initialize()


def test_training_needs_the_stage_callback(weights: Path) -> None:
    agent = ReWorldAgent(purpose="train", stage="planner", init_from=str(weights), device="cpu")
    with pytest.raises(ConfigError, match="not applied"):
        agent.get_training_callbacks()


def test_stage_3_targets_carry_the_hard_negative(tmp_path: Path) -> None:
    loader = small_loader(tmp_path)
    near, other = loader.tokens[:2]
    table = {"token": [near] * 2, "candidate": ["0", "1"], "score": [0.1, 0.9]}
    rows = pd.DataFrame({**table, "poses": [np.full(24, 2.0), np.full(24, 1.0)]})
    write_pool(tmp_path / "pool.parquet", rows, {"split": SPLIT})
    pool = {"pool": str(tmp_path / "pool.parquet"), "delta": 0.6, "space": "normalised"}

    def builder(stage: int, split: str = SPLIT) -> Any:
        agent = ReWorldAgent(stage=stage, device="cpu", hard_negatives=pool, split=split)
        return agent.get_target_builders()[0]

    found = builder(3).compute_targets(loader.get_scene_from_token(near))
    assert found["hard_negative_valid"] and (found["hard_negative"] == 2).all()
    assert found["hard_negative"].shape == found["trajectory"].shape == (8, 3)
    absent = builder(3).compute_targets(loader.get_scene_from_token(other))
    assert not absent["hard_negative_valid"]
    assert builder(3).get_unique_name().startswith("reworld_targets_tiny_negatives_")
    assert "hard_negative" not in builder(2).compute_targets(loader.get_scene_from_token(near))
    with pytest.raises(DataError, match="not of trainval"):
        builder(3, "trainval")


def test_sensor_config_asks_for_the_future_only_where_video_is_trained() -> None:
    planning = ReWorldAgent(device="cpu").get_sensor_config()
    assert planning.cam_f0 == [0, 1, 2, 3] and not planning.lidar_pc
    stage_1 = ReWorldAgent(purpose="train", stage=1, device="cpu").get_sensor_config()
    assert stage_1.cam_f0 == list(range(12))
    planner = ReWorldAgent(purpose="train", stage="planner", device="cpu").get_sensor_config()
    assert planner.cam_f0 == [0, 1, 2, 3]
