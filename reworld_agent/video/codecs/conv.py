"""Patch PCA with convolutions on top: a small causal autoencoder that starts where PCA ends.

Latents are PCA's, normalised, plus what a convolutional encoder adds; pixels are PCA's plus what a
convolutional decoder adds. Both additions are zero until they are trained, so that the untrained
codec is patch PCA to the digit, and training can only start from there. (LTX-Video's autoencoder
at this size stays at the mean image for thousands of steps.)

Time is causal: a latent sees its own frames and, through the features of the latent before it, one
latent of the past.

Shapes: B batch, T frames, F = 1 + (T - 1) / r latent frames, C latent channels, H, W pixels.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as functional
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from reworld_agent.config import CodecConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.video.codecs.patch_pca import PatchPCACodec
from reworld_agent.video.codecs.protocol import Codec, Decoded, Encoded, PointDistribution

FINEST = 4  # pixels of a cell of the finest convolutions
WIDEST = 4  # times as many channels, at the coarsest levels
WIDTH, BLOCKS = 48, 2  # of codecs that do not say


class ConvCodec(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers' bases disagree
    """See the module.

    Args:
        latent_channels: C.
        patch: pixels of a latent cell, 4 times a power of 2.
        temporal_ratio: r, frames of a latent after the first.
        width: channels at the finest level, H/4 x W/4; they double from level to level, up to 4
            times as many.
        blocks: residual blocks of a level, in the encoder and in the decoder.
        whitening: how alike the channels' spreads are made where latents are normalised: with 1
            each has variance 1; with 0 they are to each other as PCA's, so that an error counts as
            much in a latent as in the picture; 0.5 is between, standard deviations to its power.

    Raises:
        ConfigError: `patch` is none of 4, 8, 16, 32 ..., or `whitening` is not from 0 to 1.
    """

    folder = "codec"

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 32,
        patch: int = 16,
        temporal_ratio: int = 1,
        width: int = WIDTH,
        blocks: int = BLOCKS,
        whitening: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 <= whitening <= 1:
            raise ConfigError(f"codec.options.whitening = {whitening}", "use 0 to 1")
        self.whitening = whitening
        levels = (patch // FINEST).bit_length()
        if patch != FINEST * 2 ** (levels - 1) or levels < 1:
            message = f"codec.spatial_ratio = {patch} with codec.kind=conv"
            raise ConfigError(message, "use 4, 8, 16 or 32 pixels")
        self.temporal_ratio = temporal_ratio
        self.base = PatchPCACodec(latent_channels, patch, temporal_ratio)
        values = 3 * temporal_ratio * FINEST * FINEST
        widths = [width * min(2**level, WIDEST) for level in range(levels)]
        self.encoder = _Encoder(values, widths, blocks, latent_channels)
        self.decoder = _Decoder(values, widths, blocks, latent_channels)
        self.latents_mean: Tensor
        self.latents_std: Tensor
        self.register_buffer("latents_mean", torch.zeros(latent_channels))
        self.register_buffer("latents_std", torch.ones(latent_channels))

    @classmethod
    def build(cls, config: CodecConfig) -> ConvCodec:
        """The codec of a configuration, to be fitted and trained; `options`: see the class."""
        sizes = (config.latent_channels, config.spatial_ratio, config.temporal_ratio)
        return cls(*sizes, **config.options)

    def encode(self, x: Tensor) -> Encoded:
        """Pixels in [-1, 1], [B, 3, T, H, W], to latents [B, C, F, h, w]."""
        groups, batch = self._groups(x), x.size(0)
        added = self.encoder(groups, batch).unflatten(0, (batch, -1)).transpose(1, 2)
        linear = self.base.encode(x).latent_dist.mode()
        return Encoded(PointDistribution((linear - self._mean(linear)) / self._std(linear) + added))

    def decode(self, z: Tensor) -> Decoded:
        """Latents [B, C, F, h, w] to pixels [B, 3, T, H, W]."""
        linear = self.base.decode(z * self._std(z) + self._mean(z)).sample
        cells, batch = z.transpose(1, 2).flatten(0, 1), z.size(0)
        added = self.decoder(cells, self._groups(linear), batch)
        return Decoded(linear + self._frames(added, batch))

    def fit(self, singles: Tensor, clips: Tensor, seed: int = 0) -> float:
        """Fit PCA as `PatchPCACodec` does, and set both additions to zero."""
        explained = self.base.fit(singles, clips, seed)
        for part in (self.encoder, self.decoder):
            _silenced(part.last)
        self.latents_mean.zero_()
        self.latents_std.copy_(1.0 / self.spread())
        return explained

    def learned(self) -> list[nn.Parameter]:
        """Both additions; patch PCA stays as it was fitted."""
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def spread(self) -> Tensor:
        """Standard deviations [C] of normalised latents; their squares have a mean of 1."""
        kept = self.base.latents_std ** (1 - self.whitening)
        return kept / kept.square().mean().sqrt()

    def baseline(self, clips: Tensor) -> Codec:
        """The patch PCA that it started from; `clips` are not needed."""
        return self.base

    def _mean(self, like: Tensor) -> Tensor:
        return self.base.latents_mean.to(like).view(1, -1, 1, 1, 1)

    def _std(self, like: Tensor) -> Tensor:
        return self.base.latents_std.to(like).view(1, -1, 1, 1, 1)

    def _groups(self, x: Tensor) -> Tensor:
        """The frames of each latent as channels, [B F, 3 r, H, W]; the first is repeated."""
        head = x[:, :, :1].expand(-1, -1, self.temporal_ratio - 1, -1, -1)
        frames = torch.cat([head, x], dim=2).unflatten(2, (-1, self.temporal_ratio))
        return frames.transpose(1, 2).flatten(2, 3).flatten(0, 1)

    def _frames(self, groups: Tensor, batch: int) -> Tensor:
        """Inverse of `_groups`; the copies of the first frame are averaged."""
        ratio = self.temporal_ratio
        frames = groups.unflatten(1, (3, ratio)).unflatten(0, (batch, -1))
        frames = frames.transpose(1, 2).flatten(2, 3)
        first = frames[:, :, :ratio].mean(dim=2, keepdim=True)
        return torch.cat([first, frames[:, :, ratio:]], dim=2)


def _silenced(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with weights and bias of zero: its output is nothing until it has learned."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class _Block(nn.Module):
    """x + conv(silu(conv(silu(x))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(functional.silu(x))
        return x + self.second(functional.silu(inner))


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*[_Block(channels) for _ in range(count)])


class _Past(nn.Module):
    """Adds to the features of a latent frame what those of the one before it say; zero at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = _silenced(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor, batch: int) -> Tensor:
        """[B F, D, h, w] to the same; the first latent has nothing before it."""
        frames = x.unflatten(0, (batch, -1))
        before = torch.cat([torch.zeros_like(frames[:, :1]), frames[:, :-1]], dim=1)
        return x + self.conv(before.flatten(0, 1))


class _Encoder(nn.Module):
    """Pixels of a group to what is added to its latents: fine levels first."""

    def __init__(self, values: int, widths: list[int], blocks: int, channels: int) -> None:
        super().__init__()
        self.take = nn.Conv2d(values, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(_blocks(width, blocks) for width in widths)
        pairs = pairwise(widths)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.past = _Past(widths[-1])
        self.last = _silenced(nn.Conv2d(widths[-1], channels, 1))

    def forward(self, groups: Tensor, batch: int) -> Tensor:
        """[B F, 3 r, H, W] to [B F, C, h, w]."""
        x = self.take(functional.pixel_unshuffle(groups, FINEST))
        for level, down in zip(self.levels, [*self.down, None], strict=True):
            x = level(x) if down is None else down(level(x))
        added: Tensor = self.last(self.past(x, batch))
        return added


class _Decoder(nn.Module):
    """Latents of a group to what is added to its pixels: coarse levels first.

    The finest level also sees PCA's pixels, whose patches it joins.
    """

    def __init__(self, values: int, widths: list[int], blocks: int, channels: int) -> None:
        super().__init__()
        coarse = widths[::-1]
        self.take = nn.Conv2d(channels, coarse[0], 3, padding=1)
        self.past = _Past(coarse[0])
        self.levels = nn.ModuleList(_blocks(width, blocks) for width in coarse)
        pairs = pairwise(coarse)
        self.up = nn.ModuleList(nn.Conv2d(wide, 4 * fine, 1) for wide, fine in pairs)
        self.see = nn.Conv2d(values, coarse[-1], 3, padding=1)
        self.last = _silenced(nn.Conv2d(coarse[-1], values, 3, padding=1))

    def forward(self, cells: Tensor, linear: Tensor, batch: int) -> Tensor:
        """Latents [B F, C, h, w] and PCA's pixels [B F, 3 r, H, W] to what is added to them."""
        x = self.past(self.take(cells), batch)
        *coarse, finest = self.levels
        for level, up in zip(coarse, self.up, strict=True):
            x = functional.pixel_shuffle(up(level(x)), 2)
        seen = self.see(functional.pixel_unshuffle(linear, FINEST))
        return functional.pixel_shuffle(self.last(finest(x + seen)), FINEST)
