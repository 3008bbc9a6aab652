"""The Wan backbone against the stock transformer of diffusers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from torch import Tensor

from reworld_agent.config import load_model_config
from reworld_agent.core.errors import ConfigError
from reworld_agent.video.backbones import build_backbone, condition_of, run_backbone
from reworld_agent.video.backbones.wan import WanVideo
from reworld_agent.video.conditioning import Grid, Layout, pack, unpack

SIZES: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 20,  # rotary axes of 8, 6 and 6
    "in_channels": 8,
    "out_channels": 8,
    "text_dim": 16,
    "freq_dim": 32,
    "ffn_dim": 48,
    "num_layers": 3,
}
GRID = Grid(1, 2, 3, 4)
LAYOUT = Layout(GRID, torch.zeros(1, 3, GRID.tokens))


def stock_and_ours(dtype: torch.dtype = torch.float32) -> tuple[WanTransformer3DModel, WanVideo]:
    """The stock transformer and ours, with the same weights; ours has mid heads after 1 and 2."""
    torch.manual_seed(0)
    stock = WanTransformer3DModel(patch_size=(1, 1, 1), **SIZES)
    ours = WanVideo(**SIZES, mid_blocks=(1, 2))
    missing, unexpected = ours.load_state_dict(stock.state_dict(), strict=False)
    assert not unexpected and all(name.startswith("mid_heads.") for name in missing)
    return stock.to(dtype).eval(), ours.to(dtype).eval()


def inputs(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Latents [2, 8, 3, 3, 4], text [2, 5, 16] and a time for each of the 36 tokens."""
    generator = torch.Generator().manual_seed(1)
    shapes = ((2, 8, 3, 3, 4), (2, 5, 16), (2, GRID.tokens))
    latents, text, times = (torch.randn(s, generator=generator, dtype=dtype) for s in shapes)
    return latents, text, times.sigmoid()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("times", ["tokens", "frames", "samples", "shared"])
def test_velocity_is_that_of_the_stock_forward(times: str, dtype: torch.dtype) -> None:
    stock, ours = stock_and_ours(dtype)
    latents, text, t = inputs(dtype)
    t = {"tokens": t, "frames": t[:, :3], "samples": t[:, 0], "shared": t[:1]}[times]
    written_out = {
        "frames": lambda: t.repeat_interleave(12, dim=1),
        "shared": lambda: t.repeat(2, 1),
    }
    with torch.no_grad():
        expected = stock(latents, written_out.get(times, lambda: t)() * 1000, text).sample
        found = run_backbone(ours, pack(latents), t, LAYOUT, condition_of(text)).velocity
        assert torch.equal(ours(latents, t * 1000, text).sample, unpack(found, GRID))
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(unpack(found, GRID), expected, rtol=0, atol=tolerance)


def test_states_are_the_outputs_of_the_blocks_and_an_early_exit_gives_the_same() -> None:
    stock, ours = stock_and_ours()
    latents, text, t = inputs()
    seen: list[Tensor] = []
    for block in stock.blocks:
        block.register_forward_hook(lambda module, args, output: seen.append(output))
    how = (ours, pack(latents), t, LAYOUT, condition_of(text))
    with torch.no_grad():
        stock(latents, t * 1000, text)
        whole = run_backbone(*how, tap=(1, 2, 3))
        last: Any = ours.blocks[2]
        last.forward = None  # would fail if it were called
        short = run_backbone(*how, tap=(1, 2), stop_after=2)
    for found, expected in zip(whole.states, seen, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert short.sample is None
    assert all(torch.equal(a, b) for a, b in zip(short.states, whole.states[:2], strict=True))


def test_a_head_with_the_output_layers_weights_is_the_output_layer() -> None:
    _, ours = stock_and_ours()
    ours.mid_heads["3"] = head = type(ours.mid_heads["1"])(40, 8)
    head.load_state_dict(
        {"scale_shift_table": ours.scale_shift_table[0], "proj.weight": ours.proj_out.weight}
        | {"proj.bias": ours.proj_out.bias}
    )
    latents, text, t = inputs()
    with torch.no_grad():
        output = run_backbone(ours, pack(latents), t, LAYOUT, condition_of(text))
    torch.testing.assert_close(output.mid[3], output.velocity)


def test_gradients_are_the_same_under_checkpointing() -> None:
    _, ours = stock_and_ours()
    latents, text, t = inputs()
    gradients = []
    for _ in range(2):
        ours.zero_grad()
        output = run_backbone(ours, pack(latents), t, LAYOUT, condition_of(text), tap=(2,))
        (output.velocity.square().sum() + output.states[0].sum()).backward()
        gradients.append([p.grad.clone() for p in ours.blocks.parameters() if p.grad is not None])
        ours.enable_gradient_checkpointing()
    assert len(gradients[0]) == len(list(ours.blocks.parameters()))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_masked_text_counts_as_zeros() -> None:
    _, ours = stock_and_ours()
    latents, text, t = inputs()
    mask = torch.tensor([[1, 1, 1, 0, 0], [1] * 5])
    padded = text * mask[..., None]

    def velocity(text: Tensor, mask: Tensor | None) -> Tensor:
        return run_backbone(ours, pack(latents), t, LAYOUT, condition_of(text, mask)).velocity

    with torch.no_grad():
        assert torch.equal(velocity(text, mask), velocity(padded, None))


def test_what_it_cannot_be_is_refused() -> None:
    video = dataclasses.replace(load_model_config("tiny").video, backbone="wan", head_dim=5)
    with pytest.raises(ConfigError, match=r"head_dim = 5 with video.backbone=wan\n.*three rotary"):
        build_backbone(video, 8)
    _, ours = stock_and_ours()
    latents, text, t = inputs()
    with pytest.raises(ConfigError, match="tokens with their grid"):
        ours(pack(latents), t * 1000, text)
