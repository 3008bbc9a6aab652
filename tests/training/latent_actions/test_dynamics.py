"""Latent actions: transport and residual, forward and reversed, learnt from pairs alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from reworld_agent.core.errors import ConfigError, WeightsError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.training.latent_actions.fit import errors, fit_actions, infer
from reworld_agent.training.latent_actions.pairs import Pairs
from reworld_agent.video.codecs.patch_pca import PatchPCACodec
from reworld_agent.video.latent_actions import LatentActions, latent_tokens, load_latent_actions

TOKENS, CHANNELS = 6, 4


def actions(transport: str = "softmax", tokens: int = TOKENS) -> LatentActions:
    torch.manual_seed(0)
    return LatentActions(tokens, CHANNELS, 2, 32, 3, transport)


def stirred(transport: str = "softmax") -> LatentActions:
    """One whose dynamics are not those of the start."""
    found = actions(transport)
    last = found.forwards[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.normal_(last.weight, std=0.3)
    return found


def shifted(count: int, seed: int = 0) -> Pairs:
    """Grids of random tokens, and the same a cell further, around a ring."""
    first = torch.randn(count, TOKENS, CHANNELS, generator=torch.Generator().manual_seed(seed))
    names = np.array(["log"] * count)
    return Pairs(first, first.roll(1, dims=1), torch.zeros(count, 3), names)


def parted(count: int, seed: int = 0) -> Pairs:
    """One pattern in noise, and the same a cell to the left or to the right, as motion says."""
    generator = torch.Generator().manual_seed(seed)
    pattern = torch.randn(TOKENS, CHANNELS, generator=torch.Generator().manual_seed(7))
    first = pattern + 0.1 * torch.randn(count, TOKENS, CHANNELS, generator=generator)
    left = torch.rand(count, generator=generator) < 0.5
    second = torch.where(left.view(-1, 1, 1), first.roll(1, dims=1), first.roll(-1, dims=1))
    names = np.array(["log"] * count)
    return Pairs(first, second, left.float()[:, None].expand(-1, 3), names)


def test_it_starts_from_a_copy() -> None:
    x, action = torch.randn(3, TOKENS, CHANNELS), torch.randn(3, 2)
    free = actions("free")
    assert torch.equal(free.predict(x, action), x)
    transport, residual = actions().dynamics(x, action)
    assert (residual == 0).all()
    torch.testing.assert_close(
        transport.diagonal(dim1=1, dim2=2), torch.full((3, TOKENS), 0.98), atol=1e-5, rtol=0
    )


def test_rows_of_a_softmax_transport_are_weights() -> None:
    transport, _ = stirred().dynamics(torch.randn(5, TOKENS, CHANNELS), torch.randn(5, 2))
    torch.testing.assert_close(transport.sum(dim=-1), torch.ones(5, TOKENS))
    assert (transport >= 0).all()
    free, _ = stirred("free").dynamics(torch.randn(5, TOKENS, CHANNELS), torch.randn(5, 2))
    assert (free < 0).any() and torch.isfinite(free).all()


@pytest.mark.parametrize("transport", ["softmax", "free"])
def test_the_prediction_is_transport_and_residual_token_by_token(transport: str) -> None:
    ours, x, action = stirred(transport), torch.randn(2, TOKENS, CHANNELS), torch.randn(2, 2)
    moved, residual = ours.dynamics(x, action)
    wanted = torch.stack(
        [
            sum((moved[:, row, k, None] * x[:, k] for k in range(TOKENS)), residual[:, row])
            for row in range(TOKENS)
        ],
        dim=1,
    )
    torch.testing.assert_close(ours.predict(x, action), wanted)


def test_the_loss_is_of_both_directions() -> None:
    ours, (a, b) = stirred(), torch.randn(2, 4, TOKENS, CHANNELS).unbind()
    torch.testing.assert_close(ours.loss(a, b), ours.loss(b, a))
    there = (ours.predict(a, ours.action(a, b)) - b).square().mean()
    back = (ours.predict(b, ours.action(b, a)) - a).square().mean()
    torch.testing.assert_close(ours.loss(a, b), there + back)
    ours.loss(a, b).backward()
    assert all(p.grad is not None for p in ours.parameters())


def test_one_scale_is_kept_for_all_channels() -> None:
    ours = actions()
    latents = torch.randn(50, TOKENS, CHANNELS) * torch.tensor([1.0, 2.0, 3.0, 4.0]) + 5
    ours.measure(latents)
    scaled = ours.scaled(latents).flatten(0, 1)
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(CHANNELS), atol=1e-5, rtol=0)
    assert float(scaled.square().mean()) == pytest.approx(1.0, abs=1e-5)
    spread = latents.flatten(0, 1).std(dim=0)
    torch.testing.assert_close(scaled.std(dim=0) / scaled.std(dim=0)[0], spread / spread[0])


def test_a_shift_by_a_cell_is_learnt_by_the_transport() -> None:
    ours, pairs, other = actions("free"), shifted(512), shifted(256, 1)
    fit_actions(ours, pairs, steps=150, batch=64, rate=1e-2, seed=0)
    found = errors(ours, ours.scaled(other.first), ours.scaled(other.second))
    assert found["predicted"] < 0.05 * found["copy"]
    assert found["transport"] < 0.3 * found["copy"] and found["residual"] > 0.5 * found["copy"]


def test_the_action_tells_what_the_first_latent_does_not() -> None:
    ours, pairs, other = actions(), parted(512), parted(256, 1)
    fit_actions(ours, pairs, steps=150, batch=64, rate=1e-2, seed=0)
    first, second = ours.scaled(other.first), ours.scaled(other.second)
    found = errors(ours, first, second)
    assert found["predicted"] < 0.3 * found["copy"]
    assert found["shuffled"] > 2 * found["predicted"] and found["zero"] > 2 * found["predicted"]
    told = infer(ours, first, second)
    sides = [told[other.motion[:, 0] == side] for side in (0, 1)]
    apart = (sides[0].mean(dim=0) - sides[1].mean(dim=0)).norm()
    assert apart > 2 * max(float(side.std(dim=0).norm()) for side in sides)


@torch.no_grad()
def test_errors_are_means_over_all_pairs() -> None:
    ours, x, y = stirred(), *torch.randn(2, 700, TOKENS, CHANNELS).unbind()
    found = errors(ours, x, y)
    assert found["copy"] == pytest.approx(float((x - y).square().mean()), rel=1e-5)
    whole = ours.predict(x, ours.action(x, y))
    assert found["predicted"] == pytest.approx(float((whole - y).square().mean()), rel=1e-4)


def test_saved_and_loaded_for_its_codec_alone(tmp_path: Path) -> None:
    codec, other = PatchPCACodec(CHANNELS, 8, 2), PatchPCACodec(CHANNELS, 8, 2)
    torch.nn.init.normal_(other.components)
    ours = stirred()
    with pytest.raises(ConfigError, match="are not trained"):
        ours.require_codec(codec)
    ours.take_codec(codec)
    ours.save_pretrained(tmp_path)
    again = load_latent_actions(tmp_path, codec)
    assert weights_hash(again) == weights_hash(ours)
    assert not any(p.requires_grad for p in again.parameters())
    with pytest.raises(ConfigError, match="another codec's latents"):
        load_latent_actions(tmp_path, other)
    with pytest.raises(WeightsError, match="no latent actions"):
        load_latent_actions(tmp_path / "nowhere", codec)


def test_the_adapter_is_the_line_from_motion_to_actions() -> None:
    """Actions that are linear in the motion come back; standard ones have mean 0 and spread 1."""
    ours, generator = actions(), torch.Generator().manual_seed(0)
    motion = torch.randn(200, 3, generator=generator) * torch.tensor([4.0, 0.2, 0.05]) + 1
    found = motion @ torch.tensor([[0.5, 3.0, -8.0], [0.1, -2.0, 4.0]]).T + 7
    ours.measure_actions(found, motion)
    torch.testing.assert_close(ours.raw(ours.adapted(motion)), found, atol=1e-4, rtol=1e-5)
    standard = ours.standard(found)
    torch.testing.assert_close(standard.mean(dim=0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(standard.std(dim=0), torch.ones(2))
    torch.testing.assert_close(ours.raw(standard), found)


def test_actions_between_latents_are_those_of_pairs() -> None:
    ours, tokens = actions(), torch.randn(3, 4, TOKENS, CHANNELS)
    ours.measure(tokens)
    with torch.no_grad():
        found = ours.between(tokens)
        one = ours.action(ours.scaled(tokens[1:2, 2]), ours.scaled(tokens[1:2, 3]))
    assert found.shape == (3, 3, 2)
    torch.testing.assert_close(found[1, 2], ours.standard(one)[0])


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="transport=hard"):
        actions("hard")
    with pytest.raises(ConfigError, match="layers=1"):
        LatentActions(2, 2, layers=1)


def test_tokens_are_in_the_order_of_rows() -> None:
    latents = torch.arange(2 * 3 * 2 * 2 * 5).view(2, 3, 2, 2, 5)
    tokens: Tensor = latent_tokens(latents)
    assert tokens.shape == (2, 2, 10, 3)
    assert torch.equal(tokens[1, 1, 7], latents[1, :, 1, 1, 2])
