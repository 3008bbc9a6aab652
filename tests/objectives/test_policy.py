"""Losses of rewards against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from reworld_agent.objectives.policy import (
    baseline_advantages,
    group_advantages,
    policy_gradient_loss,
    preference_loss,
)

REWARDS = [[0.2, 0.9, 0.5, 0.4], [0.0, 1.0, 1.0, 1.0]]


def test_advantages_of_a_group_are_its_standard_scores() -> None:
    found = group_advantages(torch.tensor(REWARDS, dtype=torch.float64))
    rows = np.array(REWARDS)
    expected = (rows - rows.mean(1, keepdims=True)) / (rows.std(1, keepdims=True) + 1e-4)
    np.testing.assert_allclose(found.values.numpy(), expected, rtol=1e-12)
    assert found.counts.all() and not found.flat.any()
    plain = group_advantages(torch.tensor(REWARDS, dtype=torch.float64), normalise=False)
    np.testing.assert_allclose(plain.values.numpy(), rows - rows.mean(1, keepdims=True))


def test_plans_without_reward_count_for_nothing() -> None:
    nan = math.nan
    rewards = torch.tensor([[0.2, nan, 0.6, nan], [nan] * 4, [0.7] * 4, [nan, nan, nan, 0.3]])
    found = group_advantages(rewards)
    assert found.flat.tolist() == [False, True, True, True]
    assert found.counts.sum() == 2 and found.counts[0].tolist() == [True, False, True, False]
    assert float(found.values[0, 0]) == pytest.approx(-float(found.values[0, 2])) != 0
    assert found.values.isfinite().all() and not found.values[1:].any()


def test_the_baseline_is_the_plan_that_would_be_driven() -> None:
    rewards = torch.tensor([[0.5], [0.5], [math.nan], [0.2]])
    found = baseline_advantages(rewards, torch.tensor([0.2, 0.5, 0.1, math.nan]))
    assert found.values[:, 0].tolist() == pytest.approx([0.3, 0.0, 0.0, 0.0])
    assert found.flat.tolist() == [False, True, True, True]
    assert found.counts[:, 0].tolist() == [True, False, False, False]


def test_the_gradient_is_advantage_times_that_of_the_log_probability() -> None:
    log_probability = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]], requires_grad=True)
    advantages = group_advantages(torch.tensor([[0.0, 1.0], [0.5, 0.5]]), normalise=False)
    loss = policy_gradient_loss(log_probability, advantages, dimensions=24, discount=0.5)
    loss.backward()
    # two plans of one scene count; two steps, the first at half its weight
    first = torch.tensor([0.5, -0.5, 0.0, 0.0]) / (24 * 2 * 2)
    torch.testing.assert_close(log_probability.grad, torch.stack([first * 0.5, first]))


def test_the_only_plan_of_two_processes_counts_as_it_would_alone() -> None:
    found = []
    for count in (None, torch.tensor(0.5)):  # the mean of a process with one plan and one without
        log_probability = torch.ones(1, 1, requires_grad=True)
        advantages = baseline_advantages(torch.tensor([[0.75]]), torch.tensor([0.25]))
        policy_gradient_loss(log_probability, advantages, 24, count=count).backward()
        found.append(log_probability.grad)
    alone, shared = found
    assert alone is not None and shared is not None
    torch.testing.assert_close(alone, torch.tensor([[-0.5 / 24]]))
    torch.testing.assert_close(shared / 2, alone)  # the mean of both processes' gradients


def test_preferences_are_those_of_diffusion_dpo() -> None:
    errors = torch.tensor([[0.3, 0.5, 0.4, 0.45], [0.2, 0.2, 0.2, 0.2]], dtype=torch.float64)
    better, worse, better_start, worse_start = errors.T
    found = preference_loss(better, worse, better_start, worse_start, beta=10.0)
    for row, value in zip(errors.tolist(), found.tolist(), strict=True):
        inner = -10.0 / 2 * ((row[0] - row[2]) - (row[1] - row[3]))
        assert value == pytest.approx(-math.log(1 / (1 + math.exp(-inner))))
    assert found[1] == pytest.approx(math.log(2))
