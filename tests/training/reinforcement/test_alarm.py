"""The alarm on planted measures, the range of people, and a run that logs it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent.training import run, stage_run
from reworld_agent.training.reinforcement.alarm import reasons
from reworld_agent.training.reinforcement.envelope import Envelope, motion
from reworld_agent.training.reinforcement.rewards import PlanReward
from tests.pdm.reward.test_reward import golden
from tests.training.reinforcement.worlds import start, words
from tests.training.stops import cut_short
from tests.training.test_data import small_loader
from tests.training.test_run import config, small_split

__all__ = ["small_split"]  # the fixture of this module too


def measured(seed: int = 0, **changes: float) -> dict[str, np.ndarray]:
    """Values of 200 scenes; `changes` are added to the mean of a name."""
    rng = np.random.default_rng(seed)
    names = ("reward", "pdms_v1", "epdms_v2", "pdms_v1_comfort", "outside_any", "diversity_m")
    scene = {name: rng.uniform(0.3, 0.7, 200) for name in names}
    return {
        name: scene[name] + changes.get(name, 0.0) + rng.normal(0, 0.02, 200) * (name in changes)
        for name in names
    }


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reward": 0.05, "pdms_v1": -0.05}, ["the reward rose by 0.0", "pdms_v1 fell by 0.0"]),
        ({"reward": 0.05, "epdms_v2": -0.03}, ["epdms_v2 fell"]),
        ({"reward": 0.05, "pdms_v1_comfort": -0.1}, ["comfort fell"]),
        ({"outside_any": 0.2}, ["leave the range in which people drive"]),
        ({"diversity_m": -0.48}, ["plans from different noise differ"]),
        ({}, []),
        ({"reward": 0.05, "pdms_v1": 0.05, "epdms_v2": 0.02}, []),
        ({"reward": -0.05, "pdms_v1": -0.05}, []),  # worse, and no hacking
        ({"reward": 0.05, "epdms_v2": -0.004}, []),  # a trifle
    ],
)
def test_planted_measures(changes: dict[str, float], said: list[str], seed: int) -> None:
    found = reasons(measured(seed), measured(seed, **changes))
    assert bool(found) == bool(said)
    for text in said:
        assert text in " ".join(found)


def test_measures_without_values_are_silent() -> None:
    before, now = measured(), measured(reward=0.05, epdms_v2=-0.2)
    now["epdms_v2"][:] = np.nan
    assert reasons(before, now) == []


def test_motion_of_plans() -> None:
    time = np.arange(1, 9) * 0.5
    straight = np.stack([6.0 * time, 0 * time, 0 * time], axis=-1)
    back = np.stack([-2.0 * time, 0 * time, 0 * time], axis=-1)
    turn = np.stack([10 * np.sin(0.5 * time), 10 * (1 - np.cos(0.5 * time)), 0.5 * time], axis=-1)
    found = motion(np.stack([straight, back, turn]), 0.5)
    assert found["speed_mps"] == pytest.approx([6.0, 2.0, 5.0], rel=0.01)
    assert found["forward_mps"] == pytest.approx([6.0, -2.0, 5.0], rel=0.01)
    assert found["lateral_jerk_mps3"] == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
    swerve = straight.copy()
    swerve[4:, 2] = 0.3
    assert motion(swerve[None], 0.5)["lateral_jerk_mps3"][0] == pytest.approx(
        6 * np.cos(0.15) * 0.6 / 0.5, rel=1e-6
    )
    people = Envelope.of(np.stack([straight, turn]), 0.5)
    outside = people.outside(np.stack([straight, back, turn, swerve]), 0.5)
    assert outside["any"].tolist() == [0, 1, 0, 1]
    assert outside["forward_mps"].tolist() == [0, 1, 0, 0]


def test_a_run_logs_the_alarm(
    tmp_path: Path,
    small_split: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start(tmp_path / "start")
    worlds = {one: replace(golden(), token=one) for one in small_loader(tmp_path).tokens}
    monkeypatch.setattr(stage_run, "split_caches", lambda split: worlds)
    more = ["validation.every=2", "trainer.params.max_steps=4", "checkpoint_steps=1"]
    more = [word for word in words(tmp_path, "watched", *more) if word != "validation.every=0"]
    more.append("+agent.overrides.policy.reward={ego_progress:1.0}")
    cut_short(config(tmp_path, "4", *more), steps=3)
    first = pd.read_csv(tmp_path / "watched" / "validation.csv")
    # after the stop the reward is higher, and what it stands for lower, than before training
    of_columns, columns = PlanReward.of_columns, PlanReward.columns

    def lower(self: PlanReward, *asked: Any) -> dict[str, Any]:
        found = columns(self, *asked)
        return {n: v - 0.2 if n == "pdms_v1_score" else v for n, v in found.items()}

    monkeypatch.setattr(PlanReward, "of_columns", lambda self, c: of_columns(self, c) + 1.0)
    monkeypatch.setattr(PlanReward, "columns", lower)
    with caplog.at_level(logging.WARNING):
        run(config(tmp_path, "4", *more))
    table = pd.read_csv(tmp_path / "watched" / "validation.csv")
    assert table["step"].tolist() == [2, 4] and first["step"].tolist() == [2]
    names = {"reward", "pdms_v1", "epdms_v2", "pdms_v1_comfort", "diversity_m", "reward_hacking"}
    assert names | {"outside_any", "outside_speed_mps", "ade_m"} <= set(table)
    assert table["reward"][1] == pytest.approx(table["pdms_v1_ego_progress"][1] + 1.0)
    assert table["reward"][0] == pytest.approx(table["pdms_v1_ego_progress"][0])
    assert "reward_hacking at step 4: the reward rose by" in caplog.text
    assert caplog.text.count("reward_hacking at step 4") == table["reward_hacking"][1] > 0
