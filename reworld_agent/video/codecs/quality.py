"""How well a codec restores what it has encoded, and how its latents are spread."""

from __future__ import annotations

import torch
from torch import Tensor

from reworld_agent.video.codecs.protocol import Codec


def measure_latents(codec: Codec, latents: Tensor, spread: Tensor) -> None:
    """Set a codec's `latents_mean` and `latents_std` from latents [B, C, F, h, w].

    Normalised by them, the latents have a mean of 0 and the standard deviations `spread` [C].
    """
    values = latents.transpose(0, 1).flatten(1)
    codec.latents_mean.copy_(values.mean(dim=1))
    codec.latents_std.copy_(values.std(dim=1).clamp(min=1e-6) / spread)


def restored(codec: Codec, pixels: Tensor) -> Tensor:
    """[B, 3, T, H, W] in [-1, 1] after a round trip, cut to the range of pixels."""
    return codec.decode(codec.encode(pixels).latent_dist.mode()).sample.clamp(-1, 1)


def psnr(codec: Codec, pixels: Tensor) -> float:
    """Peak signal-to-noise ratio, dB, of a round trip of [B, 3, T, H, W] in [-1, 1]."""
    return psnr_of((restored(codec, pixels) - pixels).square().mean())


def psnr_of(mean_square: Tensor) -> float:
    """The ratio, dB, that belongs to a mean squared error of pixels in [-1, 1]."""
    return float(10 * torch.log10(4 / mean_square))
