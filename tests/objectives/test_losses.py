"""Each term of the paper against its closed form, in float64, and its gradient."""

from __future__ import annotations

import math

import pytest
import torch

from reworld_agent.core.errors import ConfigError
from reworld_agent.objectives.action_flow import action_flow_loss
from reworld_agent.objectives.alignment import alignment_loss
from reworld_agent.objectives.flow import (
    clean_estimate,
    draw_times,
    draw_token_times,
    interpolate,
    velocity_target,
)
from reworld_agent.objectives.generation import generation_loss
from reworld_agent.objectives.intermediate import intermediate_loss
from reworld_agent.objectives.repulsion import repulsion_loss


def rand(*shape: int) -> torch.Tensor:
    """Seeded float64 normal numbers that take a gradient."""
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def test_path_runs_from_data_to_noise_and_its_derivative_is_the_target() -> None:
    clean, noise = rand(2, 5, 3), rand(2, 5, 4)[..., :3]
    ends = interpolate(clean, noise, torch.tensor([0.0, 1.0]))
    assert torch.equal(ends[0], clean[0]) and torch.equal(ends[1], noise[1])
    t, step = torch.full((2, 5), 0.4, dtype=torch.float64), 1e-6
    slope = (interpolate(clean, noise, t + step) - interpolate(clean, noise, t - step)) / (2 * step)
    torch.testing.assert_close(slope, velocity_target(clean, noise), rtol=1e-6, atol=1e-8)
    noisy = interpolate(clean, noise, t)
    torch.testing.assert_close(clean_estimate(noisy, velocity_target(clean, noise), t), clean)


def test_generation_loss_leaves_condition_tokens_out() -> None:
    velocity, target = rand(2, 4, 3), rand(2, 4, 4)[..., :3]
    future = torch.tensor([False, True, False, True])
    expected = sum(
        ((velocity[b, n, c] - target[b, n, c]) ** 2).item()
        for b in range(2)
        for n in (1, 3)
        for c in range(3)
    )
    loss = generation_loss(velocity, target, future)
    assert float(loss) == pytest.approx(expected / 12, rel=1e-6)
    gradient = torch.autograd.grad(loss, velocity)[0]
    assert gradient[:, ~future].abs().max() == 0 and gradient[:, future].abs().min() > 0


def test_intermediate_loss_is_the_mean_over_blocks() -> None:
    a, b, target = rand(1, 2, 2), rand(1, 2, 3)[..., :2], rand(1, 2, 4)[..., :2]
    future = torch.tensor([True, True])
    mean = (generation_loss(a, target, future) + generation_loss(b, target, future)) / 2
    torch.testing.assert_close(intermediate_loss({2: a, 3: b}, target, future), mean)
    with pytest.raises(ConfigError, match="no mid head"):
        intermediate_loss({}, target, future)


def test_action_flow_loss() -> None:
    velocity, target = rand(2, 8, 3), rand(2, 8, 4)[..., :3]
    expected = ((velocity - target) ** 2).sum() / 48
    torch.testing.assert_close(action_flow_loss(velocity, target).double(), expected)


def test_alignment_by_hand_and_without_gradient_on_the_readout() -> None:
    state = torch.tensor([[[3.0, 4.0], [1.0, 0.0]]], requires_grad=True)
    readout = torch.tensor([[[4.0, 3.0], [-2.0, 0.0]]], requires_grad=True)
    loss = alignment_loss([(state, readout)])
    assert float(loss) == pytest.approx(((1 - 24 / 25) + 2) / 2)
    loss.backward()
    assert readout.grad is None
    # d(1 - cos)/da = -(r/|r| - cos a/|a|)/|a|, over two waypoints
    expected = -(torch.tensor([0.8, 0.6]) - 24 / 25 * torch.tensor([0.6, 0.8])) / 5 / 2
    assert state.grad is not None
    torch.testing.assert_close(state.grad[0, 0], expected)
    with pytest.raises(ConfigError, match="no block"):
        alignment_loss([])


def test_repulsion_by_hand() -> None:
    plan = torch.zeros(2, 1, 3, dtype=torch.float64, requires_grad=True)
    negative = torch.tensor([[[2.0, 1.0, 0.5]], [[9.0, 9.0, 9.0]]], dtype=torch.float64)
    valid = torch.tensor([True, False])
    loss = repulsion_loss(plan, negative, valid)
    parts = [2 / 4.52533745765686, 1 / 5.0728104040026665, math.sin(0.5), 1 - math.cos(0.5)]
    assert float(loss) == pytest.approx(-sum(parts) / 4, rel=1e-6)
    loss.backward()
    assert plan.grad is not None and plan.grad[1].abs().max() == 0
    # down the loss is away from the negative, in x, y and heading
    assert (plan.grad[0, 0] > 0).all()


def test_repulsion_without_a_negative_is_zero_with_a_graph() -> None:
    plan = rand(3, 8, 3)
    loss = repulsion_loss(plan, torch.full((3, 8, 3), torch.nan), torch.zeros(3, dtype=torch.bool))
    assert float(loss) == 0 and loss.requires_grad
    assert torch.autograd.grad(loss, plan)[0].abs().max() == 0


def test_a_negative_that_turns_right_or_reverses_counts() -> None:
    plan, negative = torch.zeros(1, 8, 3), torch.full((1, 8, 3), -1.0)
    assert float(repulsion_loss(plan, negative, torch.tensor([True]))) < -0.1


def test_repulsion_cap_stops_the_push() -> None:
    plan, negative = rand(2, 8, 3), rand(2, 8, 4)[..., :3]
    valid = torch.tensor([True, True])
    free = repulsion_loss(plan, negative, valid)
    assert torch.equal(repulsion_loss(plan, negative, valid, cap=1e9), free)
    capped = repulsion_loss(plan, negative, valid, cap=1e-3)
    assert float(capped) == pytest.approx(-1e-3)
    assert torch.autograd.grad(capped, plan)[0].abs().max() == 0


def test_repulsion_gradient_against_finite_differences() -> None:
    torch.manual_seed(0)
    plan = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    negative = torch.randn(2, 3, 3, dtype=torch.float64)
    loss = repulsion_loss(plan, negative, torch.tensor([True, True]))
    gradient = torch.autograd.grad(loss, plan)[0]
    step = 1e-3
    for index in [(0, 0, 0), (0, 1, 1), (1, 2, 2)]:
        moved = torch.zeros_like(plan)
        moved[index] = step
        with torch.no_grad():
            above = repulsion_loss(plan + moved, negative, torch.tensor([True, True]))
            below = repulsion_loss(plan - moved, negative, torch.tensor([True, True]))
        assert float((above - below) / (2 * step)) == pytest.approx(
            float(gradient[index]), abs=1e-3
        )


@pytest.mark.parametrize("mode", ["token", "frame", "sample"])
def test_times_are_shared_as_the_mode_says(mode: str) -> None:
    like = torch.zeros(1)
    times = draw_token_times(4, 3, 5, mode, "uniform", torch.Generator().manual_seed(0), like)
    assert times.shape == (4, 15) and times.min() >= 0 and times.max() <= 1
    per_frame = times.view(4, 3, 5)
    assert (per_frame.std(-1).max() == 0) == (mode != "token")
    assert (per_frame[..., 0].std(-1).max() == 0) == (mode == "sample")


def test_distributions_of_times() -> None:
    generator, like = torch.Generator().manual_seed(0), torch.zeros(1)
    uniform = draw_times((20000,), "uniform", generator, like)
    assert float(uniform.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(uniform.var()) == pytest.approx(1 / 12, abs=0.003)
    logit = draw_times((20000,), "logit_normal", generator, like).logit()
    assert float(logit.mean()) == pytest.approx(0, abs=0.03)
    assert float(logit.std()) == pytest.approx(1, abs=0.03)
