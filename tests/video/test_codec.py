"""The patch-PCA codec, the LTX VAE behind the same interface, and the three clip encodings."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from reworld_agent.config import ENCODINGS, CodecConfig, load_model_config
from reworld_agent.core.errors import ConfigError
from reworld_agent.video.codecs import build_codec
from reworld_agent.video.codecs.ltx import LTX_095, LTXCodec
from reworld_agent.video.codecs.patch_pca import PatchPCACodec
from reworld_agent.video.codecs.quality import psnr
from reworld_agent.video.encoding import decode_future, encode_clip, encode_history, to_pixels

PATCH, RATIO = 4, 2
SIZE = 3 * RATIO * PATCH * PATCH


def lossless() -> PatchPCACodec:
    """A codec whose components are a random rotation of all values of a patch."""
    torch.manual_seed(0)
    codec = PatchPCACodec(SIZE, PATCH, RATIO)
    codec.components.data.copy_(torch.linalg.qr(torch.randn(SIZE, SIZE)).Q)
    codec.patch_mean.data.normal_()
    codec.latents_mean.normal_()
    codec.latents_std.uniform_(0.5, 2)
    return codec


def low_rank_pixels(rank: int, frames: int) -> torch.Tensor:
    """Clips [6, 3, frames, 8, 12] whose patches span `rank` dimensions."""
    torch.manual_seed(1)
    codec = PatchPCACodec(SIZE, PATCH, RATIO)
    latents = torch.randn(6, 1 + (frames - 1) // RATIO, 2, 3, rank)
    return codec.from_patches(latents @ torch.randn(rank, SIZE) * 0.05)


def test_fit_finds_the_principal_components_of_numpy() -> None:
    clips = low_rank_pixels(40, 1 + 3 * RATIO)
    codec = PatchPCACodec(5, PATCH, RATIO)
    codec.fit(clips[:, :, :1], clips)
    singles = codec.to_patches(clips[:, :, :1]).flatten(0, 3)
    patches = torch.cat([singles, codec.to_patches(clips)[:, 1:].flatten(0, 3)]).numpy()
    centred = patches.astype(np.float64) - patches.mean(0)
    expected = np.linalg.svd(centred, full_matrices=False)[2][:5]
    cosines = np.abs((codec.components.numpy() * expected).sum(1))
    np.testing.assert_allclose(cosines, 1, atol=1e-3)
    latents = centred @ codec.components.numpy().T
    np.testing.assert_allclose(codec.latents_std.numpy(), latents.std(0, ddof=1), rtol=1e-3)


def test_a_basis_as_large_as_the_data_restores_them() -> None:
    clips = low_rank_pixels(6, 1 + 3 * RATIO)
    codec = PatchPCACodec(13, PATCH, RATIO)  # 6 of the clips, 6 of the repeated frame, the mean
    assert codec.fit(clips[:, :, :1], clips) == pytest.approx(1, abs=1e-4)
    assert psnr(codec, clips) > 50


def test_too_few_frames_are_refused() -> None:
    frame, clip = torch.zeros(1, 3, 1, 4, 4), torch.zeros(1, 3, 3, 4, 4)
    with pytest.raises(ConfigError, match="cannot give 64 components"):
        PatchPCACodec(64, PATCH, RATIO).fit(frame, clip)


def test_time_is_causal_and_the_first_frame_stands_alone() -> None:
    codec, clip = lossless(), torch.randn(2, 3, 1 + 2 * RATIO, 8, 12)
    latents = codec.encode(clip).latent_dist.mode()
    assert latents.shape == (2, SIZE, 3, 2, 3)
    assert torch.allclose(codec.encode(clip[:, :, :1]).latent_dist.mode(), latents[:, :, :1])
    changed = clip.clone()
    changed[:, :, 1 + RATIO :] = 0
    assert torch.equal(codec.encode(changed).latent_dist.mode()[:, :, :2], latents[:, :, :2])
    torch.testing.assert_close(codec.decode(latents).sample, clip, rtol=0, atol=1e-5)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_future_frames_come_back_from_each_encoding(encoding: str) -> None:
    codec = lossless()
    history_frames = 3
    clip = dataclasses.replace(
        load_model_config("tiny").clip,
        height=8,
        width=12,
        history_frames=history_frames,
        future_frames=2 * RATIO,
        encoding=encoding,
    )
    clip.check(CodecConfig("patch_pca", SIZE, PATCH, RATIO))
    history = torch.randint(0, 256, (2, history_frames, 3, 8, 12), dtype=torch.uint8)
    future = torch.randint(0, 256, (2, 2 * RATIO, 3, 8, 12), dtype=torch.uint8)
    latents = encode_clip(codec, clip, history, future)
    past = encode_history(codec, clip, history)
    frames = clip.history_latents(RATIO), clip.future_latents(RATIO)
    assert latents.shape[2] == sum(frames)
    assert past.shape[2] == frames[0]
    torch.testing.assert_close(latents[:, :, : frames[0]], past)
    assert torch.equal(decode_future(codec, clip, latents), future)


def test_pixels_are_in_minus_one_to_one() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 1, 2).expand(1, 4, 3, 2, 2)
    pixels = to_pixels(images)
    assert pixels.shape == (1, 3, 4, 2, 2)
    assert pixels.unique().tolist() == [-1, 1]


def test_ltx_vae_has_the_geometry_of_0_9_5() -> None:
    with torch.device("meta"):
        codec = build_codec(load_model_config("paper").codec)
        latents = codec.encode(torch.zeros(1, 3, 9, 64, 96)).latent_dist.mode()
        assert latents.shape == (1, 128, 2, 2, 3)
        assert codec.decode(latents).sample.shape == (1, 3, 9, 64, 96)
    assert codec.temporal_ratio == 8


def test_a_small_ltx_vae_works_behind_the_interface() -> None:
    torch.manual_seed(0)
    small = {
        **LTX_095,
        "block_out_channels": (8, 8, 8, 8, 8),
        "decoder_block_out_channels": (8, 16, 32),
        "layers_per_block": (1,) * 5,
        "decoder_layers_per_block": (1,) * 4,
        "latent_channels": 8,
    }
    codec = LTXCodec(**small).eval()
    clip = dataclasses.replace(load_model_config("paper").clip, height=64, width=64)
    images = torch.randint(0, 256, (1, 4, 3, 64, 64), dtype=torch.uint8)
    future = torch.randint(0, 256, (1, 8, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        latents = encode_clip(codec, clip, images, future)
        assert latents.shape == (1, 8, 6, 2, 2)
        assert decode_future(codec, clip, latents).shape == future.shape
