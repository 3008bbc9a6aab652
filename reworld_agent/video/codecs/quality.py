"""How well a codec restores what it has encoded."""

from __future__ import annotations

import torch
from torch import Tensor

from reworld_agent.video.codecs.protocol import Codec


def psnr(codec: Codec, pixels: Tensor) -> float:
    """Peak signal-to-noise ratio, dB, of a round trip of [B, 3, T, H, W] in [-1, 1]."""
    restored = codec.decode(codec.encode(pixels).latent_dist.mode()).sample.clamp(-1, 1)
    return float(10 * torch.log10(4 / (restored - pixels).square().mean()))
