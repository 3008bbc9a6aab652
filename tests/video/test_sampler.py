"""Noise levels, Euler steps and self-guidance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)

from reworld_agent.config import SamplingConfig
from reworld_agent.config.sigmas import SCHEDULES, linear_quadratic_sigmas
from reworld_agent.core.errors import ConfigError
from reworld_agent.video.backbones import condition_of
from reworld_agent.video.backbones.ltx import VideoDiT
from reworld_agent.video.conditioning import Grid, Layout
from reworld_agent.video.sampler import (
    Guidance,
    cfg_velocity,
    dit_velocity,
    guided_velocity,
    sample_video,
)
from tests.video.small import SIZES, inputs, stock_and_ours

WHERE = Layout(Grid(0, 2, 3, 4), torch.zeros(1, 3, 24))


def test_linear_quadratic_levels_are_those_of_ltx_video() -> None:
    # LTX-Video's published schedules of 5 and 10 steps, and the tail of 30
    five = [1, 0.9875, 0.975, 0.8583, 0.5333]
    np.testing.assert_allclose(linear_quadratic_sigmas(5), five, atol=5e-5)
    ten = [1, 0.995, 0.99, 0.985, 0.98, 0.975, 0.932, 0.813, 0.618, 0.347]
    np.testing.assert_allclose(linear_quadratic_sigmas(10), ten, atol=5e-4)
    tail = [0.96911, 0.95478, 0.932, 0.90078, 0.86111, 0.813, 0.75644, 0.69144, 0.618]
    tail += [0.53611, 0.44578, 0.347, 0.23978, 0.12411]
    np.testing.assert_allclose(linear_quadratic_sigmas(30)[16:], tail, atol=5e-6)


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
@pytest.mark.parametrize("steps", [1, 2, 5, 30])
def test_levels_fall_from_one_and_a_straight_field_is_integrated_exactly(
    schedule: str, steps: int
) -> None:
    levels = SCHEDULES[schedule](steps)
    assert len(levels) == steps and levels[0] == 1
    assert all(a > b > 0 for a, b in itertools.pairwise(levels))
    torch.manual_seed(0)
    target, noise, condition = torch.randn(3, 2, 6, 4, dtype=torch.float64)
    future = torch.tensor([False, False, True, True, True, True])
    seen = []

    def velocity(latents: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        assert torch.equal(latents[:, :2], condition[:, :2])
        seen.append(times[0].tolist())
        return noise - target

    result = sample_video(velocity, condition, future, noise, steps, schedule)
    torch.testing.assert_close(result[:, 2:], target[:, 2:])
    assert torch.equal(result[:, :2], condition[:, :2])
    assert seen == [[0, 0, *[level] * 4] for level in levels]


def test_a_step_is_the_step_of_the_scheduler_of_diffusers() -> None:
    torch.manual_seed(0)
    noise, field = torch.randn(2, 1, 6, 4)
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / 5, 5))
    expected = noise
    for step in scheduler.timesteps:
        expected = scheduler.step(field * expected, step, expected).prev_sample
    every = torch.ones(6, dtype=torch.bool)
    found = sample_video(lambda x, t: field * x, noise, every, noise, 5, "uniform")
    torch.testing.assert_close(found, expected)


def test_guidance_extrapolates_from_the_mid_head() -> None:
    mid, final = torch.tensor([1.0]), torch.tensor([2.0])
    assert guided_velocity(mid, final, 1.0) == final
    assert guided_velocity(mid, final, 1.4) == pytest.approx(2.4)


def test_guided_velocity_of_a_model_follows_equation_9_inside_its_interval() -> None:
    _, dit = stock_and_ours()
    arguments = inputs()
    text, coords = arguments["encoder_hidden_states"], arguments["video_coords"][:1]
    latents = arguments["hidden_states"]
    with torch.no_grad():
        where = Layout(Grid(0, 2, 3, 4), coords)
        plain = dit_velocity(dit, condition_of(text), where)
        guided = dit_velocity(dit, condition_of(text), where, Guidance(1.4, block=2, low=0.3))
        times = torch.full((2, 24), 0.8)
        output = dit(latents, text, times * 1000, video_coords=coords.expand(2, -1, -1))
        expected = output.mid[2] + 1.4 * (output.sample - output.mid[2])
        torch.testing.assert_close(guided(latents, times), expected)
        low = torch.full((2, 24), 0.2)
        assert torch.equal(guided(latents, low), plain(latents, low))


def test_guidance_without_a_head_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a mid head"):
        dit_velocity(VideoDiT(**SIZES), condition_of(torch.zeros(1)), WHERE, Guidance())


def test_scheduler_levels_are_diffusers_own() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(30)
    found = [*SCHEDULES["scheduler"](30), 0.0]
    np.testing.assert_allclose(found, scheduler.sigmas.numpy(), atol=1e-6)


def test_classifier_free_guidance_follows_self_guidance() -> None:
    _, ours = stock_and_ours()
    arguments = inputs()
    latents, times = arguments["hidden_states"], arguments["timestep"] / 1000
    coords, text = arguments["video_coords"][:1], arguments["encoder_hidden_states"]
    guidance = Guidance(1.4, block=2)
    mask = arguments["encoder_attention_mask"]
    where = Layout(Grid(0, 2, 3, 4), coords)
    told = dit_velocity(ours, condition_of(text, mask), where, guidance)
    free = dit_velocity(ours, condition_of(text * 0), where, guidance)
    with torch.no_grad():
        a, b = told(latents, times), free(latents, times)
        found = cfg_velocity(told, free, 3.0)(latents, times)
        torch.testing.assert_close(found, b + 3 * (a - b))
        arguments["video_coords"] = coords.expand(2, -1, -1)
        output = ours(**arguments)
        expected = output.mid[2] + 1.4 * (output.sample - output.mid[2])
        torch.testing.assert_close(a, expected)
    assert cfg_velocity(told, free, 1.0) is told


def test_guidance_of_a_configuration() -> None:
    assert Guidance.of(SamplingConfig(gamma=1.0)) is None
    assert Guidance.of(SamplingConfig(low=0.3)) == Guidance(1.4, None, 0.3, 1.0)
    _, ours = stock_and_ours()
    with pytest.raises(ConfigError, match=r"block 3 has no mid head[\s\S]*block 1, 2"):
        dit_velocity(ours, condition_of(torch.zeros(1, 1, 16)), WHERE, Guidance(block=3))
