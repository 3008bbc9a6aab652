"""Plans drawn by Euler-Maruyama steps: their densities, limits, and what rewards make of them.

Densities are those of `torch.distributions` along steps written out by hand.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from reworld_agent.config import PlannerConfig
from reworld_agent.objectives.policy import (
    gaussian_kl,
    group_advantages,
    policy_gradient_loss,
)
from reworld_agent.planner.heads import PlannerHead
from reworld_agent.planner.sampler import sample_plan
from reworld_agent.planner.stochastic import Exploration, StochasticSampler, euler_steps
from tests.model.micro import micro_config, micro_model

SCENES, PLANS, WAYPOINTS = 2, 3, 8


def planner(**changes: Any) -> PlannerConfig:
    """The micro planner with some of it changed."""
    values = {**micro_config().to_dict()["planner"], **changes}
    return PlannerConfig(**values)


def head_and_scenes() -> tuple[PlannerHead, Any, Tensor]:
    """A head with velocities, its memory of two scenes, their ego states; float64."""
    model = micro_model()
    head = model.action_dit.double()
    nn.init.normal_(head.proj_out.weight, std=0.3)
    states = [torch.randn(SCENES, 5, 24, dtype=torch.float64) for _ in range(2)]
    ego = torch.rand(SCENES, 8, dtype=torch.float64)
    return head, head.cache(states), ego


def draw(shape: Any, like: Tensor) -> Tensor:
    """Noise of steps."""
    return torch.randn(*shape, dtype=like.dtype)


@pytest.mark.parametrize("schedule", ["flow_grpo", "dance_grpo"])
def test_densities_are_those_of_steps_by_hand(schedule: str) -> None:
    torch.manual_seed(0)
    head, memory, ego = head_and_scenes()
    config = planner(sigmas="uniform", steps=4)
    sampler = StochasticSampler(config, Exploration(schedule, 0.4, 2.0, quiet_steps=1))
    noise = torch.randn(SCENES, PLANS, WAYPOINTS, 3, dtype=torch.float64)
    chain = sampler.sample(head, memory, ego, noise, draw)
    assert chain.shape == (5, SCENES * PLANS, WAYPOINTS, 3)
    found = sampler.transitions(head, memory, ego, chain)

    i, j = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    joined = torch.exp(-(i - j).abs().double() / 2.0)
    levels = [1.0, 0.75, 0.5, 0.25, 0.0]
    for step in range(4):
        t, following = levels[step], levels[step + 1]
        x = chain[step]
        v = head(x, torch.full((len(x),), t, dtype=torch.float64), ego, memory).velocity
        sigma = 0.4
        if schedule == "flow_grpo":
            sigma *= math.sqrt(t / (1 - t)) if t < 1 else math.sqrt(1 / (1 - 0.75))
        score = -(x + (1 - t) * v) / t
        if step == 3:
            assert torch.allclose(chain[4], x - t * v)
            break
        drift = v - sigma**2 / 2 * torch.einsum("ij,bjc->bic", joined, score)
        mean = x + drift * (following - t)
        law = MultivariateNormal(mean.transpose(1, 2), sigma**2 * (t - following) * joined)
        expected = law.log_prob(chain[step + 1].transpose(1, 2)).sum(dim=1)
        torch.testing.assert_close(found.log_probability[step], expected, rtol=1e-9, atol=1e-9)
    assert len(found.log_probability) == 3


def test_without_correlation_the_noise_is_that_of_the_papers() -> None:
    torch.manual_seed(1)
    head, memory, ego = head_and_scenes()
    sampler = StochasticSampler(planner(sigmas="uniform", steps=2), Exploration(noise=0.7))
    chain = sampler.sample(head, memory, ego, torch.zeros(SCENES, PLANS, 8, 3).double(), draw)
    found = sampler.transitions(head, memory, ego, chain)
    t, dt, sigma = 0.5, 0.5, 0.7  # sqrt(.5 / .5) = 1
    x, half = chain[1], torch.full((6,), 0.5, dtype=torch.float64)
    v = head(x, half, ego, memory).velocity
    # Flow-GRPO's code: sample (1 + s² / (2 σ) dt) + v (1 + s² (1 - σ) / (2 σ)) dt, dt < 0
    mean = x * (1 - sigma**2 / (2 * t) * dt) - v * (1 + sigma**2 * (1 - t) / (2 * t)) * dt
    expected = Normal(mean, sigma * math.sqrt(dt)).log_prob(chain[2]).sum(dim=(1, 2))
    torch.testing.assert_close(found.log_probability[1], expected, rtol=1e-9, atol=1e-9)


def test_without_noise_the_plan_is_that_of_the_flow() -> None:
    torch.manual_seed(2)
    model, config = micro_model(), planner()
    nn.init.normal_(model.action_dit.proj_out.weight, std=0.3)
    memory = model.action_dit.cache([torch.randn(SCENES, 5, 24) for _ in range(2)])
    ego, noise = torch.rand(SCENES, 8), torch.randn(SCENES, 1, 8, 3)
    sampler = StochasticSampler(config, Exploration(noise=0.0, correlation=3.0))
    chain = sampler.sample(model.action_dit, memory, ego, noise, draw)
    plan = sample_plan(model.action_dit, memory, ego, noise[:, 0], config)
    assert torch.equal(chain[-1], plan) and not sampler.noisy


class Flow(nn.Module):
    """The velocity that leads from unit noise to N(target, deviation²), known in closed form."""

    dtype = torch.float64

    def __init__(self, target: float, deviation: float) -> None:
        super().__init__()
        self.target = nn.Parameter(torch.full((8, 3), target, dtype=torch.float64))
        self.deviation = deviation

    def forward(self, x: Tensor, t: Tensor, ego: Tensor, memory: object) -> Any:
        """E[noise - x_0 | x_t]."""
        t = t.to(x)[:, None, None]
        variance = (1 - t) ** 2 * self.deviation**2 + t**2
        away = x - (1 - t) * self.target
        clean = self.target + (1 - t) * self.deviation**2 / variance * away
        return SimpleNamespace(velocity=t / variance * away - clean)


@pytest.mark.parametrize("correlation", [0.0, 4.0])
def test_noise_leaves_the_distribution_of_plans_as_it_is(correlation: float) -> None:
    torch.manual_seed(3)
    flow = cast(PlannerHead, Flow(2.0, 0.5))
    exploration = Exploration("dance_grpo", 0.8, correlation)
    sampler = StochasticSampler(planner(sigmas="uniform", steps=100), exploration)
    noise = torch.randn(1, 4000, 8, 3, dtype=torch.float64)
    plans = sampler.sample(flow, (), torch.zeros(1, 8), noise, draw)[-1]
    assert float((plans.mean(dim=0) - 2.0).abs().max()) < 0.04
    assert float((plans.std(dim=0) - 0.5).abs().max()) < 0.04
    if correlation:  # nor does it join waypoints that are not joined
        joined = torch.corrcoef(plans[:, :, 0].T) - torch.eye(8)
        assert float(joined.abs().max()) < 0.08


def test_the_reward_moves_plans_to_its_optimum() -> None:
    torch.manual_seed(4)
    flow = Flow(0.0, 0.1)
    head = cast(PlannerHead, flow)
    sampler = StochasticSampler(planner(sigmas="uniform", steps=5), Exploration(noise=0.3))
    optimum = torch.tensor([1.0, -0.5, 0.25], dtype=torch.float64)
    optimiser = torch.optim.Adam(flow.parameters(), lr=0.03)
    for _ in range(150):
        noise = torch.zeros(1, 32, 8, 3, dtype=torch.float64)
        chain = sampler.sample(head, (), torch.zeros(1, 8), noise, draw)
        rewards = -(chain[-1] - optimum).square().mean(dim=(1, 2))[None]
        found = sampler.transitions(head, (), torch.zeros(1, 8), chain)
        loss = policy_gradient_loss(found.log_probability, group_advantages(rewards), 24)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float((flow.target.detach() - optimum).abs().mean()) < 0.15


def test_divergence_is_that_of_the_gaussians() -> None:
    torch.manual_seed(5)
    head, memory, ego = head_and_scenes()
    other, _, _ = head_and_scenes()
    sampler = StochasticSampler(planner(sigmas="uniform", steps=2), Exploration(noise=0.5))
    chain = sampler.sample(head, memory, ego, torch.zeros(SCENES, PLANS, 8, 3).double(), draw)
    pair = [sampler.transitions(one, memory, ego, chain).whitened for one in (head, other)]
    expected = torch.zeros(SCENES * PLANS, dtype=torch.float64)
    for step, x in zip(sampler.steps, chain, strict=False):
        t = torch.full((len(x),), step.t, dtype=torch.float64)
        laws = [
            Normal(sampler.mean(step, x, one(x, t, ego, memory).velocity), step.deviation)
            for one in (head, other)
        ]
        expected = expected + kl_divergence(*laws).sum(dim=(1, 2))
    torch.testing.assert_close(gaussian_kl(*pair), expected, rtol=1e-9, atol=1e-9)


def test_noise_at_the_first_level_has_an_end() -> None:
    steps = euler_steps(planner(sigmas="linear_quadratic", steps=5), Exploration(noise=0.7))
    assert steps[0].t == 1.0 and steps[0].sigma == pytest.approx(0.7 / math.sqrt(0.0125))
    assert steps[0].deviation == pytest.approx(0.7)
