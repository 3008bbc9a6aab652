"""Stage 4 from its command to its weights: every method, stops, and input that cannot be."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reworld_agent.core.errors import ConfigError, DataError, UsageError
from reworld_agent.model import ReWorldModel
from reworld_agent.training import run, stage_run
from reworld_agent.training.loop.resume import STOPPED
from reworld_agent.training.losses import NotFiniteError, name_tensor, scene_names
from reworld_agent.training.memory.choose import fitted
from reworld_agent.training.policy_settings import PolicySettings, method_table, methods
from reworld_agent.training.reinforcement.rewards import PlanReward
from reworld_agent.training.stages import load_stage
from tests.pdm.reward.test_reward import golden, plans
from tests.training.reinforcement.worlds import caches, start, words
from tests.training.stops import cut_short
from tests.training.test_data import small_loader
from tests.training.test_run import config, differ, pool, small_split

__all__ = ["small_split"]  # the fixture of this module too


@pytest.fixture(autouse=True)
def small_worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_split: None) -> None:
    """Weights to start from, and a scene cache for every token of the small split."""
    start(tmp_path / "start")
    worlds = caches(small_loader(tmp_path).tokens)
    monkeypatch.setattr(stage_run, "split_caches", lambda split: worlds)


def trained(root: Path, name: str, *more: str) -> ReWorldModel:
    """The weights of a run."""
    run(config(root, "4", *words(root, name, *more)))
    return ReWorldModel.from_pretrained(root / name / "weights")


@pytest.mark.parametrize(
    "method",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "grpo")) for name in methods()],
)
def test_every_method_trains_the_planner_alone(method: str, tmp_path: Path) -> None:
    more = [pool(tmp_path)] if method == "dpo" else []
    model = trained(tmp_path, method, f"method={method}", *more)
    before = ReWorldModel.from_pretrained(tmp_path / "start")
    assert model.history == [*before.history, "4"]
    assert differ(before.action_dit, model.action_dit)
    assert not differ(before.video_dit, model.video_dit)


@pytest.mark.slow  # three runs
def test_a_resumed_run_ends_in_the_same_weights(tmp_path: Path) -> None:
    more = ["trainer.params.max_steps=4", "checkpoint_steps=2"]
    straight = trained(tmp_path, "straight", *more)
    cut_short(config(tmp_path, "4", *words(tmp_path, "broken", *more)), steps=3)
    resumed = trained(tmp_path, "broken", *more)
    assert not differ(straight, resumed)


def test_equal_rewards_move_nothing_and_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(PlanReward, "of_columns", lambda self, columns: 0.7 + 0 * columns["score"])
    model = trained(tmp_path, "flat", "method=dance_grpo")
    before = ReWorldModel.from_pretrained(tmp_path / "start")
    pairs = zip(before.parameters(), model.parameters(), strict=True)
    assert all(torch.equal(one.half(), other.half()) for one, other in pairs)
    assert "12 of 12 scenes taught nothing (equal rewards)" in caplog.text


@pytest.mark.slow
def test_plans_that_are_not_finite_are_named_skipped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    score = PlanReward.__call__

    def spoiled(self: PlanReward, tokens: Any, poses: Tensor) -> Tensor:
        poses = poses.clone()
        poses[0, 2] = math.nan
        return score(self, tokens, poses)

    monkeypatch.setattr(PlanReward, "__call__", spoiled)
    model = trained(tmp_path, "spoiled")
    assert all(p.isfinite().all() for p in model.parameters())
    assert "3 of 48 plans had no reward" in caplog.text  # one a step
    assert "1 candidates have no reward (NaN); the first: scene" in caplog.text
    assert "candidate 2: poses are not finite" in caplog.text


@pytest.mark.slow  # a run, as the next
def test_a_planner_that_leaves_its_start_is_stopped_and_kept(tmp_path: Path) -> None:
    more = ["+agent.overrides.policy.kl_limit=1e-4", "checkpoint_steps=1"]
    with pytest.raises(NotFiniteError, match=r"has left its start: KL .* above .*kl_limit=0.0001"):
        trained(tmp_path, "gone", *more)
    assert (tmp_path / "gone" / STOPPED).is_file()


@pytest.mark.slow
def test_a_scene_without_cache_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = caches(["another"])
    monkeypatch.setattr(stage_run, "split_caches", lambda split: one)
    with pytest.raises(DataError, match=r"4 scenes have no cache: "):
        trained(tmp_path, "none")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["agent.overrides.policy.samples=1"], "a group of one has no better and no worse"),
        (["method=grpoo"], "method=grpoo does not exist"),
        (["method=dpo"], "stage 4 needs a pool of hard negatives"),
        (["+agent.overrides.policy.noise=0"], "all plans of a group would be the same"),
        (["+agent.overrides.trainable=[video_dit,action_dit]"], "the start is compared with"),
        (["+agent.overrides.policy.kl_limit=-1"], "policy.kl_limit=-1"),
        (["+agent.overrides.policy.reward={speed: 1.0}"], "policy.reward.speed is unknown"),
        (["+agent.overrides.policy.without=[speed]"], "policy.without=speed is not in the reward"),
        (["+agent.overrides.policy.quiet_steps=5"], "policy.quiet_steps=5 of 5 steps"),
    ],
)
def test_what_cannot_be_is_refused(more: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        trained(tmp_path, "refused", *[word.replace(" ", "") for word in more])


def test_a_method_is_of_stage_4(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="method=grpo with stage=3"):
        config(tmp_path, "3", "method=grpo")
    with pytest.raises(ConfigError, match="method=grpo with stage=planner"):
        load_stage("planner", method="grpo")


def test_rewards_are_scores_columns_and_mixtures(tmp_path: Path) -> None:
    worlds = caches(["a", "b"])
    poses = torch.zeros(2, 3, 8, 3)
    poses[..., 0] = torch.arange(1, 9) * torch.tensor([0.0, 2.0, 4.0])[:, None]

    def of(**settings: Any) -> Tensor:
        return PlanReward(PolicySettings(**settings), worlds)(["a", "b"], poses)

    score, progress = of(), of(reward={"ego_progress": 1.0})
    comfort = of(reward={"comfort": 1.0})
    mixed = of(reward={"pdms_v1": 0.5, "ego_progress": 2.0})
    torch.testing.assert_close(mixed, 0.5 * score + 2.0 * progress)
    blind = of(without=("no_at_fault_collisions",))
    assert blind[1, 2] > score[1, 2] == 0  # into the wall
    assert torch.equal(of(without=("comfort",))[comfort == 1], score[comfort == 1])
    assert torch.equal(blind[0], score[0])


def test_a_mixture_of_protocols_is_scored_at_once() -> None:
    cache = golden()
    poses = torch.tensor(plans(1))
    found = {
        name: PlanReward(PolicySettings(reward=reward), cache)([cache.token], poses)
        for name, reward in {
            "one": {"pdms_v1": 1.0},
            "other": {"epdms_v2": 1.0},
            "both": {"pdms_v1": 0.25, "epdms_v2": 0.5, "lane_keeping": 0.1},
            "lane": {"lane_keeping": 1.0},
        }.items()
    }
    expected = 0.25 * found["one"] + 0.5 * found["other"] + 0.1 * found["lane"]
    torch.testing.assert_close(found["both"], expected)
    assert found["one"].isfinite().all() and not torch.equal(found["one"], found["other"])


def test_tokens_survive_any_loader() -> None:
    tokens = ["0123456789abcdef", "drive_ä-1", ""]
    batch = torch.utils.data.default_collate([name_tensor(token) for token in tokens])
    assert scene_names(batch) == tokens
    with pytest.raises(DataError, match="more than 64 bytes"):
        name_tensor("x" * 65)


@pytest.mark.slow  # each level is counted on fake tensors
def test_memory_is_counted_without_rewards(tmp_path: Path) -> None:
    settings = config(tmp_path, "4", *words(tmp_path, "small", "memory_gb=2"))
    found = fitted(settings.replaced(trainer=settings.lightning))
    assert found.fit.gradient_checkpointing == "none"


def test_settings_of_a_method_are_changed_one_by_one() -> None:
    stage = load_stage("4", overrides={"policy": {"samples": 5, "reward": {"epdms_v2": 1.0}}})
    assert stage.policy is not None
    assert stage.policy.samples == 5 and stage.policy.reward == {"epdms_v2": 1.0}
    assert stage.policy.noise == method_table(None)["policy"]["noise"]
