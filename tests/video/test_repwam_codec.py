"""RepViTok: causal in encoder and decoder, any grid, saved and loaded, refused by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reworld_agent.config import ClipConfig, CodecConfig, load_model_config
from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.video.codecs import FittedCodec, TrainableCodec, build_codec
from reworld_agent.video.codecs.repwam import RepViTok
from reworld_agent.video.encoding import encode_clip, encode_history

MODELS = Path(__file__).parents[2] / "docs" / "models"
OPTIONS = {"width": 24, "layers": 2, "heads": 2, "mlp": 2}
CONFIG = CodecConfig("repwam", 6, 8, 4, options=OPTIONS)


def codec(config: CodecConfig = CONFIG) -> RepViTok:
    torch.manual_seed(0)
    found = build_codec(config)
    assert isinstance(found, RepViTok)
    return found.eval()


def pixels(frames: int, height: int = 16, width: int = 24) -> Tensor:
    generator = torch.Generator().manual_seed(frames)
    return torch.rand(2, 3, frames, height, width, generator=generator) * 2 - 1


@pytest.mark.parametrize("frames", [1, 5, 9, 17])
@torch.no_grad()
def test_shapes_are_those_of_the_interface(frames: int) -> None:
    ours, clip = codec(), pixels(frames)
    z = ours.encode(clip).latent_dist.mode()
    assert z.shape == (2, 6, 1 + (frames - 1) // 4, 2, 3)
    assert ours.decode(z).sample.shape == clip.shape
    # the bottleneck's LayerNorm
    torch.testing.assert_close(z.mean(dim=1), torch.zeros(z[:, 0].shape), atol=1e-5, rtol=0)


@pytest.mark.parametrize("ratio", [1, 4])
@torch.no_grad()
def test_a_later_frame_changes_no_earlier_latent_or_pixel_by_a_bit(ratio: int) -> None:
    ours = codec(dataclasses.replace(CONFIG, temporal_ratio=ratio))
    clip = pixels(1 + 3 * ratio)
    z = ours.encode(clip).latent_dist.mode()
    restored = ours.decode(z).sample
    for known in range(1, 4):
        frames = 1 + (known - 1) * ratio
        changed, other = clip.clone(), z.clone()
        changed[:, :, frames:], other[:, :, known:] = -1, 0
        found = ours.encode(changed).latent_dist.mode()
        assert torch.equal(found[:, :, :known], z[:, :, :known])
        assert not torch.equal(found[:, :, known:], z[:, :, known:])
        again = ours.decode(other).sample
        assert torch.equal(again[:, :, :frames], restored[:, :, :frames])
        assert not torch.equal(again[:, :, frames:], restored[:, :, frames:])


@torch.no_grad()
def test_the_past_is_seen_and_every_cell_of_a_frame() -> None:
    ours, clip = codec(), pixels(9)
    z = ours.encode(clip).latent_dist.mode()
    past, corner = clip.clone(), clip.clone()
    past[:, :, 0], corner[:, :, 5:, :8, :8] = 0, 0
    found = ours.encode(past).latent_dist.mode()
    assert ((found - z)[:, :, 2].abs().amax(dim=1) > 0).all()
    moved = (ours.encode(corner).latent_dist.mode() - z).abs().amax(dim=1)
    assert (moved[:, 2] > 0).all() and (moved[:, :2] == 0).all()


@torch.no_grad()
def test_one_frame_alone_is_the_first_latent_of_a_clip() -> None:
    ours, clip = codec(), pixels(9)
    alone = ours.encode(clip[:, :, :1]).latent_dist.mode()
    whole = ours.encode(clip).latent_dist.mode()
    torch.testing.assert_close(alone[:, :, 0], whole[:, :, 0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_attention_knows_where_tokens_are() -> None:
    """Cells that change places give other latents, not the same ones in other places."""
    ours, clip = codec(), pixels(1)
    z = ours.encode(clip).latent_dist.mode()
    swapped = clip.clone()
    swapped[..., :8], swapped[..., 8:16] = clip[..., 8:16], clip[..., :8]
    found = ours.encode(swapped).latent_dist.mode()
    assert (found[..., 0] - z[..., 1]).abs().max() > 1e-4


def test_gradients_reach_every_weight() -> None:
    ours = codec()
    assert isinstance(ours, TrainableCodec) and not isinstance(ours, FittedCodec)
    clip = pixels(5)
    (ours.decode(ours.encode(clip).latent_dist.mode()).sample - clip).square().mean().backward()
    for name, parameter in ours.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    assert len(ours.learned()) == len(list(ours.parameters()))


def test_a_few_steps_lower_the_error() -> None:
    ours, clip = codec(), pixels(5, 8, 8)
    optimizer = torch.optim.Adam(ours.learned(), 3e-3)
    for _ in range(12):
        error = (ours.decode(ours.encode(clip).latent_dist.mode()).sample - clip).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    assert error < 0.98 * clip.square().mean()


@torch.no_grad()
def test_history_latents_do_not_depend_on_the_future() -> None:
    ours = codec()
    clip = ClipConfig(16, 24, 2, 4, 2.0, "continued", "index")
    images = torch.randint(0, 255, (2, 6, 3, 16, 24), dtype=torch.uint8)
    history, future = images[:, :2], images[:, 2:]
    whole = encode_clip(ours, clip, history, future)
    assert torch.equal(whole[:, :, :2], encode_clip(ours, clip, history, 255 - future)[:, :, :2])
    assert torch.equal(whole[:, :, :2], encode_history(ours, clip, history))


@torch.no_grad()
def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    ours, clip = codec(), pixels(5)
    ours.save_pretrained(tmp_path)
    other = RepViTok.from_pretrained(tmp_path)
    kept, state = ours.state_dict(), other.state_dict()
    assert kept.keys() == state.keys()
    assert all(torch.equal(kept[name], state[name]) for name in kept)
    found, wanted = (one.encode(clip).latent_dist.mode() for one in (other, ours))
    assert torch.equal(found, wanted)


@torch.no_grad()
def test_bf16_weights_give_bf16_latents() -> None:
    ours = codec()
    torch.nn.Module.to(ours, torch.bfloat16)
    z = ours.encode(pixels(5).to(torch.bfloat16)).latent_dist.mode()
    assert z.dtype == ours.decode(z).sample.dtype == torch.bfloat16


def test_blocks_at_the_papers_size_have_as_many_weights_as_those_of_vit_b() -> None:
    """Twelve layers of width 768 with MLPs of 4 x 768; torch's own layer is the reference."""
    with torch.device("meta"):
        paper = RepViTok(96, 16, 4, width=768, layers=12, heads=12, mlp=4)
    theirs = nn.TransformerEncoderLayer(768, 12, 3072, device="meta")
    wanted = 12 * sum(p.numel() for p in theirs.parameters())
    assert sum(p.numel() for p in paper.encoder.parameters()) == wanted


@pytest.mark.parametrize(
    ("name", "cells", "ratio"), [("tiny_repwam", 28, 1), ("paper_repwam", 448, 4)]
)
def test_configurations_of_the_guide_can_be_built(name: str, cells: int, ratio: int) -> None:
    config = load_model_config(MODELS / f"{name}.yaml")
    with torch.device("meta"):
        found = build_codec(config.codec)
    side = config.codec.spatial_ratio
    assert isinstance(found, RepViTok) and found.temporal_ratio == ratio
    assert config.world_clip.height * config.world_clip.width == cells * side * side


@pytest.mark.parametrize(
    ("clip", "said"),
    [
        (pixels(4), "4 frames with codec.temporal_ratio = 4"),
        (pixels(5, 20), "height = 20 is not divisible by the codec's 8"),
        (pixels(5, 16, 30), "width = 30 is not divisible"),
    ],
)
def test_clips_of_another_length_or_size_are_refused(clip: Tensor, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        codec().encode(clip)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"spatial_ratio": 6}, "spatial_ratio = 6"),
        ({"options": {"width": 25, "heads": 2}}, "width = 25 with heads = 2"),
        ({"options": {"width": 8, "heads": 2}}, "width = 8 with heads = 2"),
    ],
)
def test_sizes_that_cannot_be_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_codec(dataclasses.replace(CONFIG, **changes))


def test_configurations_name_what_is_wrong() -> None:
    with pytest.raises(UsageError, match=r"codec\.options"):
        dataclasses.replace(CONFIG, options={"blocks": 2})
    values = {"codec": {"kind": "repwam"}, "clip": {"future_frames": 7}}
    with pytest.raises(UsageError, match=r"clip\.future_frames = 7 is not a multiple of 4"):
        load_model_config("tiny", overrides=values)
    values = {"codec": {"kind": "repwam"}, "clip": {"width": 100}}
    with pytest.raises(UsageError, match=r"clip\.width = 100 is not divisible by"):
        load_model_config("tiny", overrides=values)
