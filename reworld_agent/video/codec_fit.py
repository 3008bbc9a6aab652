"""Fit of the patch-PCA codec, in closed form, from frames."""

from __future__ import annotations

import torch
from torch import Tensor

from reworld_agent.core.errors import ConfigError
from reworld_agent.video.codec import PatchPCACodec


def fit_patch_pca(
    codec: PatchPCACodec, singles: Tensor, clips: Tensor, max_patches: int = 20000, seed: int = 0
) -> float:
    """Fit components and latent statistics in place; returns the explained share of variance.

    Args:
        codec: receives the weights.
        singles: images [B, 3, 1, H, W] in [-1, 1], encoded alone (the history).
        clips: [B, 3, 1 + k r, H, W] in [-1, 1] (the future).
        max_patches: patches drawn of each kind.
        seed: of the draw and of the randomised decomposition.
    """
    generator = torch.Generator().manual_seed(seed)
    kinds = [codec.to_patches(singles).flatten(0, 3), codec.to_patches(clips)[:, 1:].flatten(0, 3)]
    patches = torch.cat([_draw(kind, max_patches, generator) for kind in kinds])
    rank = codec.components.size(0)
    if len(patches) <= rank:
        raise ConfigError(f"{len(patches)} patches cannot give {rank} components", "add frames")
    mean = patches.mean(dim=0)
    centred = patches - mean
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _, scale, components = torch.pca_lowrank(centred, q=rank + 16, center=False, niter=4)
    latents = centred @ components[:, :rank]
    with torch.no_grad():
        codec.patch_mean.copy_(mean)
        codec.components.copy_(components[:, :rank].T)
        codec.latents_mean.copy_(latents.mean(dim=0))
        codec.latents_std.copy_(latents.std(dim=0).clamp(min=1e-6))
    return float(scale[:rank].square().sum() / centred.square().sum())


def _draw(patches: Tensor, count: int, generator: torch.Generator) -> Tensor:
    chosen = torch.randperm(len(patches), generator=generator)[:count]
    return patches[chosen]


def psnr(codec: PatchPCACodec, pixels: Tensor) -> float:
    """Peak signal-to-noise ratio, dB, of a round trip of [B, 3, T, H, W] in [-1, 1]."""
    restored = codec.decode(codec.encode(pixels).latent_dist.mode()).sample.clamp(-1, 1)
    return float(10 * torch.log10(4 / (restored - pixels).square().mean()))
