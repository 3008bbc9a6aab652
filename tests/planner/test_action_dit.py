"""The Action DiT: size, attention, positions, cached keys and values."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import torch
from diffusers.models.transformers.transformer_ltx import apply_rotary_emb

from reworld_agent.config import load_model_config
from reworld_agent.planner.heads.action_dit import ActionDiT
from reworld_agent.planner.layers import Attention, rotary_table, rotate
from reworld_agent.planner.sampler import sample_plan, scene_noise

PAPER, TINY = load_model_config("paper"), load_model_config("tiny")
TOKENS = 11


def build(double: bool = True) -> ActionDiT:
    """A tiny Action DiT with random weights everywhere."""
    torch.manual_seed(0)
    model = ActionDiT.build(TINY.planner, TINY.video)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return (model.double() if double else model).eval()


def scene(batch: int = 2) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Video states of every block, and ego states."""
    generator = torch.Generator().manual_seed(3)
    width, depth = TINY.video.width, TINY.video.num_layers
    states = [torch.randn(batch, TOKENS, width, generator=generator).double() for _ in range(depth)]
    return states, torch.randn(batch, 8, generator=generator).double()


def test_paper_size() -> None:
    with torch.device("meta"):
        model = ActionDiT.build(PAPER.planner, PAPER.video)
    assert sum(p.numel() for p in model.parameters()) == 131_266_563


def test_attention_is_the_explicit_softmax() -> None:
    torch.manual_seed(0)
    attention = Attention(12, 3, 20).double()
    x, source = torch.randn(2, 4, 12).double(), torch.randn(2, 7, 20).double()
    q, k = attention.norm_q(attention.to_q(x)), attention.norm_k(attention.to_k(source))
    v = attention.to_v(source)
    heads = []
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / 4**0.5
        heads.append(scores.softmax(-1) @ v[..., part])
    expected = attention.to_out(torch.cat(heads, -1))
    torch.testing.assert_close(attention(x, attention.key_value(source)), expected)


def test_rotary_positions_are_those_of_diffusers() -> None:
    x = torch.randn(2, 8, 32)
    angles = rotary_table(8, 32)
    table = angles.repeat_interleave(2, dim=-1)[None]
    torch.testing.assert_close(rotate(x, angles), apply_rotary_emb(x, (table.cos(), table.sin())))
    assert angles[4].abs().max() == 0  # the middle of -1 ... 1
    torch.testing.assert_close(angles[0, 0], torch.tensor(-torch.pi / 2))


def test_zero_readout_leaves_the_plain_block() -> None:
    model = build()
    states, ego = scene()
    block: Any
    for block in model.blocks:
        block.cross.to_out.weight.data.zero_()
        block.cross.to_out.bias.data.zero_()
    actions, t = torch.randn(2, 8, 3).double(), torch.rand(2).double()
    seen = model(actions, t, ego, model.cache(states)).velocity
    blind = model(actions, t, ego, model.cache([state * 0 for state in states])).velocity
    torch.testing.assert_close(seen, blind)


def test_readout_is_what_the_state_gained() -> None:
    model = build()
    states, ego = scene()
    actions, t = torch.randn(2, 8, 3).double(), torch.rand(2).double()
    output = model(actions, t, ego, model.cache(states), tap=(2, 4))
    assert sorted(output.readouts) == [2, 4]
    tap = output.readouts[2]
    block: Any = model.blocks[1]
    before = tap.state - tap.readout
    again = block.cross(before, block.cross.key_value(states[1]))
    torch.testing.assert_close(tap.readout, again)


def test_plans_of_a_scene_share_its_memory() -> None:
    model = build()
    states, ego = scene()
    memory = model.cache(states)
    actions, t = torch.randn(6, 8, 3).double(), torch.rand(6).double()
    together = model(actions, t, ego, memory).velocity
    for number in range(6):
        one = slice(number // 3, number // 3 + 1)
        alone = model(
            actions[number : number + 1],
            t[number : number + 1],
            ego[one],
            model.cache([state[one] for state in states]),
        ).velocity
        torch.testing.assert_close(together[number : number + 1], alone)


def test_time_may_differ_between_waypoints() -> None:
    model = build()
    states, ego = scene()
    actions, memory = torch.randn(2, 8, 3).double(), model.cache(states)
    t = torch.tensor([0.2, 0.9]).double()
    shared = model(actions, t, ego, memory).velocity
    each = model(actions, t[:, None].expand(2, 8), ego, memory).velocity
    torch.testing.assert_close(each, shared)


def test_one_time_serves_all_plans() -> None:
    model = build()
    states, ego = scene()
    actions, memory = torch.randn(6, 8, 3).double(), model.cache(states)
    one = model(actions, torch.tensor([0.4]).double(), ego, memory, tap=(1,))
    each = model(actions, torch.full((6,), 0.4).double(), ego, memory, tap=(1,))
    torch.testing.assert_close(one.velocity, each.velocity)
    assert one.readouts[1].state.shape == each.readouts[1].state.shape == (6, 8, model.width)


def test_only_a_waypoint_embedding_tells_equal_waypoints_apart() -> None:
    states, ego = scene()
    for told_apart in (False, True):
        torch.manual_seed(0)
        settings = replace(TINY.planner, waypoint_embedding=told_apart, noise_scale=1.0)
        model = ActionDiT.build(settings, TINY.video).double()
        torch.nn.init.normal_(model.proj_out.weight)
        silent = torch.zeros(2, 8, 3).double()
        velocity = model(silent, torch.ones(2).double(), ego, model.cache(states)).velocity
        alike = torch.allclose(velocity, velocity[:, :1].expand_as(velocity), atol=1e-9)
        assert alike != told_apart


def test_a_single_token_needs_no_question() -> None:
    torch.manual_seed(0)
    attention = Attention(12, 3, 20).double()
    x, source = torch.randn(2, 4, 12).double(), torch.randn(2, 1, 20).double()
    twice = attention.key_value(source.expand(2, 2, 20))  # the same token again: nothing changes
    found = attention(x, attention.key_value(source))
    torch.testing.assert_close(found, attention(x, twice))


def test_a_fresh_model_moves_nothing() -> None:
    model = ActionDiT.build(TINY.planner, TINY.video)
    states, ego = scene()
    memory = model.cache([state.float() for state in states])
    noise = torch.randn(2, 8, 3)
    assert torch.equal(sample_plan(model, memory, ego.float(), noise, TINY.planner), noise)


def test_five_steps_are_five_euler_steps() -> None:
    model = build()
    states, ego = scene()
    memory = model.cache(states)
    noise = torch.randn(2, 8, 3).double()
    expected, levels = noise, [1, 0.9875, 0.975, 103 / 120, 8 / 15, 0]
    for level, following in itertools.pairwise(levels):
        t = torch.full((2,), level).double()
        expected = expected + (following - level) * model(expected, t, ego, memory).velocity
    settings = replace(TINY.planner, sigmas="linear_quadratic")
    found = sample_plan(model, memory, ego, noise, settings)
    # sinusoids of the time are float32 inside diffusers
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_noise_is_the_same_for_every_scene_and_batch() -> None:
    like = torch.zeros(1)
    noise = scene_noise((8, 3), 5, 42, like)
    assert noise.shape == (5, 8, 3)
    assert torch.equal(noise[0], noise[4])
    assert torch.equal(noise[:2], scene_noise((8, 3), 2, 42, like))
    assert not torch.equal(noise, scene_noise((8, 3), 5, 43, like))
