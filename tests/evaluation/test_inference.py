"""Planning a split: order, batches, failures, fallbacks, resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from reworld_agent.baselines import ConstantVelocityAgent, HumanAgent
from reworld_agent.compat import AgentInput, Trajectory
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.core.shards import PartStore
from reworld_agent.evaluation.inference import plan_split
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.splits import resolve_split
from tests.evaluation.fakes import BatchAgent


@pytest.fixture
def loader(small_split: Path) -> SceneLoader:
    return resolve_split("small").loader(SceneFilter(frame_interval=1))


def _plan(
    agent: Any, loader: SceneLoader, folder: Path, batch_size: int = 4
) -> tuple[pd.DataFrame, pd.DataFrame]:
    store = PartStore(folder / "parts", ("token",), {})
    return plan_split(agent, loader, folder, store, {"agent": "x"}, batch_size)


def test_tables_follow_the_loader(loader: SceneLoader, tmp_path: Path) -> None:
    planned, record = _plan(ConstantVelocityAgent(), loader, tmp_path)
    assert planned["token"].tolist() == record["token"].tolist() == loader.tokens
    assert len(loader) == 14
    assert set(record["status"]) == {"ok"}
    assert record["log_name"].tolist() == ["a"] * 7 + ["b"] * 7
    saved = pd.read_parquet(tmp_path / "trajectories.parquet")
    assert saved.columns.tolist() == ["token", "poses"]
    poses = np.stack(list(saved["poses"])).reshape(14, 8, 3)
    np.testing.assert_allclose(poses[0, :, 0], 2.5 * np.arange(1, 9))
    np.testing.assert_allclose(poses[7, :, 0], 4.0 * np.arange(1, 9))
    assert read_provenance(tmp_path / "trajectories.parquet") == {"agent": "x"}
    assert (record["milliseconds"] >= 0).all()


def test_human_sees_the_scene(loader: SceneLoader, tmp_path: Path) -> None:
    planned, _ = _plan(HumanAgent(), loader, tmp_path)
    poses = np.stack(list(planned["poses"])).reshape(14, 8, 3)
    np.testing.assert_allclose(poses[0, :, 0], 2.5 * np.arange(1, 9), atol=1e-9)


def test_batches_and_resuming(loader: SceneLoader, tmp_path: Path) -> None:
    agent = BatchAgent()
    _plan(agent, loader, tmp_path, batch_size=4)
    assert agent.batches == [4, 4, 4, 2]
    again = BatchAgent()
    planned, _ = _plan(again, loader, tmp_path)
    assert again.batches == []
    assert planned["token"].tolist() == loader.tokens


class _Failing(BatchAgent):
    """Fails for slow scenes, as a whole batch where one of them is in it."""

    broken = True

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        if self.broken and agent_input.ego_statuses[-1].ego_velocity[0] < 6:
            raise RuntimeError("too slow for me")
        return super().compute_trajectory(agent_input)


def test_a_failing_scene_is_recorded_and_tried_again(loader: SceneLoader, tmp_path: Path) -> None:
    agent = _Failing()
    planned, record = _plan(agent, loader, tmp_path, batch_size=10)
    assert planned["token"].tolist() == loader.tokens[7:]
    assert record["status"].tolist() == ["failed"] * 7 + ["ok"] * 7
    assert record["reason"][0] == "RuntimeError: too slow for me"
    agent.broken = False
    agent.batches.clear()
    planned, record = _plan(agent, loader, tmp_path, batch_size=10)
    assert agent.batches == [7]
    assert planned["token"].tolist() == loader.tokens
    assert set(record["status"]) == {"ok"}


class _Careless(ConstantVelocityAgent):
    """Returns nothing, poses alone, a tensor with a gradient; ends the program."""

    calls = 0

    def compute_trajectory(self, agent_input: AgentInput) -> Any:
        self.calls += 1
        plan = super().compute_trajectory(agent_input)
        if self.calls == 4:
            raise SystemExit(0)
        if self.calls == 3:
            plan.poses = torch.tensor(plan.poses, requires_grad=True)  # type: ignore[assignment]
        return {1: None, 2: plan.poses}.get(self.calls, plan)


def test_whatever_an_agent_returns_costs_its_scene_alone(
    loader: SceneLoader, tmp_path: Path
) -> None:
    planned, record = _plan(_Careless(), loader, tmp_path, batch_size=1)
    said = ["returned no trajectory", "returned a ndarray", "no array of numbers", "SystemExit: 0"]
    for reason, words in zip(record["reason"], said, strict=False):
        assert words in reason
    assert record["status"].tolist() == ["failed"] * 4 + ["ok"] * 10 and len(planned) == 10


class _Short(BatchAgent):
    """Has no plan for the last scene of a batch."""

    def compute_trajectories(self, agent_inputs: list[AgentInput]) -> list[Trajectory]:
        return super().compute_trajectories(agent_inputs)[:-1]


def test_a_batch_that_lacks_a_plan_is_planned_one_by_one(
    loader: SceneLoader, tmp_path: Path
) -> None:
    planned, record = _plan(_Short(), loader, tmp_path, batch_size=14)
    assert planned["token"].tolist() == loader.tokens and set(record["status"]) == {"ok"}


class _Odd(BatchAgent):
    """NaN, a wrong length and a fallback among good trajectories."""

    def compute_trajectories(self, agent_inputs: list[AgentInput]) -> list[Any]:
        trajectories: list[Any] = list(super().compute_trajectories(agent_inputs))
        trajectories[0].poses[3, 1] = np.nan
        trajectories[1].poses = trajectories[1].poses[:7]
        self.fallback_reasons[2] = "no image"
        return trajectories


def test_bad_plans_fail_and_fallbacks_are_marked(loader: SceneLoader, tmp_path: Path) -> None:
    planned, record = _plan(_Odd(), loader, tmp_path, batch_size=14)
    assert record["status"].tolist()[:4] == ["failed", "failed", "fallback", "ok"]
    assert record["reason"].tolist()[:3] == [
        "poses are not finite",
        "poses have shape [7, 3], their sampling says [8, 3]",
        "no image",
    ]
    assert len(planned) == 12


class _Interrupted(ConstantVelocityAgent):
    planned = 0

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        if self.planned == 9:
            raise KeyboardInterrupt
        self.planned += 1
        return super().compute_trajectory(agent_input)


def test_an_interrupted_run_goes_on(loader: SceneLoader, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _plan(_Interrupted(), loader, tmp_path)
    assert len(PartStore(tmp_path / "parts", ("token",), {}).rows()) == 8
    agent = _Interrupted()
    planned, _ = _plan(agent, loader, tmp_path)
    assert agent.planned == 6
    assert planned["token"].tolist() == loader.tokens
