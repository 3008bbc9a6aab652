"""The Video DiT against the stock transformer of diffusers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel

from reworld_agent.config import load_model_config
from reworld_agent.video.backbones.ltx import VideoDiT
from tests.video.small import SIZES, inputs, stock_and_ours


@pytest.mark.parametrize("per_token", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_forward_is_the_stock_forward_bit_for_bit(per_token: bool, masked: bool) -> None:
    stock, ours = stock_and_ours()
    arguments: dict[str, Any] = {**inputs()}
    if not per_token:
        arguments["timestep"] = arguments["timestep"][:, 0]
    if not masked:
        arguments["encoder_attention_mask"] = None
    with torch.no_grad():
        assert torch.equal(stock(**arguments).sample, ours(**arguments).sample)


@pytest.mark.parametrize("head", ["table", "ig"])
def test_times_of_frames_are_times_of_their_tokens_and_keep_less(head: str) -> None:
    torch.manual_seed(0)
    ours = VideoDiT(**SIZES, mid_blocks=(1,), mid_head=head)
    for parameter in ours.mid_heads.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    arguments = inputs()
    frames = arguments["timestep"][:, :2]
    sizes, results = [], []
    for times in (frames.repeat_interleave(12, dim=1), frames):
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            output = ours(**{**arguments, "timestep": times})
        ours.zero_grad()
        (output.velocity.square().mean() + output.mid[1].square().mean()).backward()
        gradients = [p.grad.clone() for p in ours.parameters() if p.grad is not None]
        results.append([output.velocity.detach(), output.mid[1].detach(), *gradients])
        sizes.append(sum(kept.values()))
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-6)
    assert sizes[0] - sizes[1] > 3 * 6 * 2 * 20 * 24 * 4  # modulation of 3 blocks, 20 tokens more


def test_stock_positions_by_grid_give_the_stock_output() -> None:
    stock, ours = stock_and_ours()
    arguments = inputs()
    del arguments["video_coords"]
    grid = {"num_frames": 2, "height": 3, "width": 4, "rope_interpolation_scale": (1.0, 32, 32)}
    with torch.no_grad():
        expected = stock(**arguments, **grid, return_dict=False)
        found = ours(**arguments, **grid, return_dict=False)
    assert torch.equal(expected[0], found[0])


def test_tapped_states_are_the_outputs_of_the_blocks() -> None:
    stock, ours = stock_and_ours()
    seen: list[torch.Tensor] = []
    for block in stock.transformer_blocks:
        block.register_forward_hook(lambda module, args, output: seen.append(output))
    with torch.no_grad():
        stock(**inputs())
        states = ours(**inputs(), tap=(1, 2, 3)).states
    assert len(states) == 3
    assert all(torch.equal(a, b) for a, b in zip(seen, states, strict=True))


def test_early_exit_gives_the_same_states_and_runs_no_later_block() -> None:
    _, ours = stock_and_ours()
    with torch.no_grad():
        full = ours(**inputs(), tap=(2,))
        last: Any = ours.transformer_blocks[2]
        last.forward = None  # would fail if it were called
        short = ours(**inputs(), tap=(2,), stop_after=2)
    assert short.sample is None
    assert torch.equal(full.states[0], short.states[0])
    assert torch.equal(full.mid[2], short.mid[2])


def test_a_copied_head_on_the_last_block_is_the_output_layer() -> None:
    torch.manual_seed(0)
    ours = VideoDiT(**{**stock_and_ours()[0].config, "num_layers": 1}, mid_blocks=(1,)).eval()
    ours.start_head_from_output(1)
    with torch.no_grad():
        output = ours(**inputs())
    torch.testing.assert_close(output.mid[1], output.sample, rtol=0, atol=0)


def test_gradients_are_the_same_under_checkpointing() -> None:
    _, plain = stock_and_ours()
    checkpointed = copy.deepcopy(plain)
    checkpointed.enable_gradient_checkpointing()
    for model in (plain, checkpointed):
        model.train()
        output = model(**inputs(), tap=(2,))
        total = output.sample.square().sum() + output.mid[1].sum() + output.states[0].sum()
        total.backward()
    for a, b in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_ig_head_starts_at_zero_and_has_a_gradient() -> None:
    model = VideoDiT(**stock_and_ours()[0].config, mid_blocks=(2,), mid_head="ig")
    velocity = model(**inputs()).mid[2]
    assert velocity.abs().max() == 0
    velocity.sum().backward()
    assert model.mid_heads["2"].proj.bias.grad.abs().max() > 0


def test_paper_size_is_ltx_2b_and_the_head_is_light() -> None:
    config = load_model_config("paper")
    with torch.device("meta"):
        ours = VideoDiT.build(config.video, config.codec.latent_channels)
        stock = LTXVideoTransformer3DModel()
    count = sum(p.numel() for p in ours.parameters())
    head = sum(p.numel() for p in ours.mid_heads.parameters())
    assert head == 266_368
    assert count - head == sum(p.numel() for p in stock.parameters()) == 1_923_385_472
