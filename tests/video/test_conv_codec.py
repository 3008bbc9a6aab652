"""The convolutional codec: patch PCA until it is trained, causal in time, saved and loaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from reworld_agent.config import ClipConfig, CodecConfig
from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.video.codecs import FittedCodec, build_codec
from reworld_agent.video.codecs.conv import ConvCodec
from reworld_agent.video.codecs.patch_pca import PatchPCACodec
from reworld_agent.video.codecs.quality import measure_latents
from reworld_agent.video.encoding import decode_future, encode_clip, encode_history, normalise

CONFIG = CodecConfig("conv", 6, 8, 2, options={"width": 4, "blocks": 1})
CLIP = ClipConfig(16, 24, 3, 4, 2.0, "continued", "index")


def codec(trained: bool = True, config: CodecConfig = CONFIG) -> ConvCodec:
    """A fitted codec; `trained`: with additions of random weights."""
    torch.manual_seed(0)
    found = build_codec(config)
    assert isinstance(found, ConvCodec)
    clips = pixels(8, 1 + 2 * config.temporal_ratio)
    found.fit(clips[:, :, :1], clips)
    if trained:
        for parameter in (*found.encoder.parameters(), *found.decoder.parameters()):
            torch.nn.init.normal_(parameter, std=0.1)
        measure_latents(found, found.encode(clips).latent_dist.mode().detach(), found.spread())
    return found.eval().requires_grad_(False)


def pixels(batch: int, frames: int, seed: int = 1) -> Tensor:
    """Smooth clips [B, 3, T, 16, 24] in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, frames, 4, 6, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (frames, 16, 24), mode="trilinear")


@pytest.mark.parametrize("ratio", [1, 2, 4])
def test_untrained_it_is_patch_pca(ratio: int) -> None:
    config = dataclasses.replace(CONFIG, temporal_ratio=ratio)
    ours, clips = codec(False, config), pixels(8, 1 + 2 * ratio)
    assert isinstance(ours, FittedCodec)
    other = PatchPCACodec(6, 8, ratio)
    other.fit(clips[:, :, :1], clips)
    z = ours.encode(clips).latent_dist.mode()
    torch.testing.assert_close(z, normalise(other, other.encode(clips).latent_dist.mode()))
    wanted = other.decode(other.encode(clips).latent_dist.mode()).sample
    torch.testing.assert_close(ours.decode(z).sample, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("whitening", [0.0, 0.5, 1.0])
def test_normalised_spreads_are_powers_of_those_of_pca(whitening: float, trained: bool) -> None:
    options = {**CONFIG.options, "whitening": whitening}
    ours, clips = codec(trained, dataclasses.replace(CONFIG, options=options)), pixels(8, 5)
    found = normalise(ours, ours.encode(clips).latent_dist.mode())
    spread = found.transpose(0, 1).flatten(1).std(dim=1)
    wanted = ours.base.latents_std ** (1 - whitening)
    wanted = wanted / wanted.square().mean().sqrt()
    torch.testing.assert_close(spread, wanted, rtol=1e-4 if trained else 0.2, atol=0)
    z = ours.encode(clips).latent_dist.mode()
    other = codec(trained)
    torch.testing.assert_close(z, other.encode(clips).latent_dist.mode())  # statistics alone


def test_whitening_is_a_share() -> None:
    for value in (1.5, -0.1, True, "half"):
        with pytest.raises(UsageError, match=r"codec\.options\.whitening"):
            dataclasses.replace(CONFIG, options={**CONFIG.options, "whitening": value})
    with pytest.raises(ConfigError, match="use 0 to 1"):
        ConvCodec(6, 8, whitening=1.5)


def test_a_trained_one_differs_and_its_shapes_are_those_of_the_interface() -> None:
    ours, clip = codec(), pixels(2, 5)
    z = ours.encode(clip).latent_dist.mode()
    assert z.shape == (2, 6, 3, 2, 3)
    assert ours.decode(z).sample.shape == clip.shape
    plain = codec(False).encode(clip).latent_dist.mode()
    assert (z - plain).abs().max() > 0.01


def test_latents_of_the_past_do_not_change_with_the_future_by_a_bit() -> None:
    ours, clip = codec(), pixels(2, 7)
    z = ours.encode(clip).latent_dist.mode()
    for known in (1, 3, 5):
        changed = clip.clone()
        changed[:, :, known:] = torch.rand(changed[:, :, known:].shape)
        found = ours.encode(changed).latent_dist.mode()
        same = 1 + (known - 1) // 2
        assert torch.equal(found[:, :, :same], z[:, :, :same])
        assert not torch.equal(found[:, :, same:], z[:, :, same:])
    for known in (1, 2):
        future = z.clone()
        future[:, :, known:] = 0
        restored, wanted = ours.decode(future).sample, ours.decode(z).sample
        assert torch.equal(restored[:, :, : 2 * known - 1], wanted[:, :, : 2 * known - 1])


def test_the_past_is_seen() -> None:
    ours, clip = codec(), pixels(1, 5)
    changed = clip.clone()
    changed[:, :, 1:3] = 0
    found, wanted = (ours.encode(x).latent_dist.mode() for x in (changed, clip))
    assert not torch.equal(found[:, :, 2], wanted[:, :, 2])


def test_history_latents_are_bit_equal_whatever_the_future_is() -> None:
    ours = codec()
    images = torch.randint(0, 255, (2, 7, 3, 16, 24), dtype=torch.uint8)
    history, future = images[:, :3], images[:, 3:]
    whole = encode_clip(ours, CLIP, history, future)
    assert torch.equal(whole[:, :, :3], encode_clip(ours, CLIP, history, 255 - future)[:, :, :3])
    assert torch.equal(whole[:, :, :3], encode_history(ours, CLIP, history))
    assert decode_future(ours, CLIP, whole).shape == future.shape


def test_latent_statistics_are_per_channel() -> None:
    ours = codec()
    z = normalise(ours, ours.encode(pixels(8, 5)).latent_dist.mode())
    values = z.transpose(0, 1).flatten(1)
    torch.testing.assert_close(values.mean(dim=1), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(values.std(dim=1), torch.ones(6), atol=1e-5, rtol=0)


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    ours, clip = codec(), pixels(2, 5)
    ours.save_pretrained(tmp_path)
    other = ConvCodec.from_pretrained(tmp_path)
    kept, state = ours.state_dict(), other.state_dict()
    assert kept.keys() == state.keys()
    assert all(torch.equal(kept[name], state[name]) for name in kept)
    found, wanted = (one.encode(clip).latent_dist.mode() for one in (other, ours))
    torch.testing.assert_close(found, wanted, check_stride=False)


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="spatial_ratio = 12"):
        build_codec(dataclasses.replace(CONFIG, spatial_ratio=12))
    with pytest.raises(UsageError, match="width = 0"):
        dataclasses.replace(CONFIG, options={"width": 0})
    with pytest.raises(UsageError, match=r"codec\.options"):
        dataclasses.replace(CONFIG, options={"depth": 2})
