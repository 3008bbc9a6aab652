"""RepViTok, the visual tokenizer of RepWAM (arXiv 2606.13674): a causal ViT video autoencoder.

The first frame is cut into patches, later frames into tubelets of r frames; a token sees the tokens
of its own latent frame and of earlier ones, in the encoder and in the decoder. A bottleneck of
attention, a linear map and a LayerNorm gives C channels. No code or weights of RepWAM are public:
this follows the paper's text. What it does not say is chosen here: positions are rotary angles of
latent time, row and column, so that any grid can be encoded; the attention of the bottleneck stands
beside a linear map; and the head is two transposed convolutions, of which the second overlaps, so
that patches join.

Shapes: B batch, T frames, F = 1 + (T - 1) / r latent frames, C latent channels, H, W pixels, h, w
cells, N = F h w tokens, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from reworld_agent.config import CodecConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.video.codecs.patch_pca import PatchPCACodec, space_time_patches
from reworld_agent.video.codecs.protocol import Codec, Decoded, Encoded, PointDistribution

FINEST = 4  # pixels that the last transposed convolution makes of a place, a side
AXES = 3  # latent time, row, column
LONGEST = 1000.0  # period of the slowest rotary angle, in latent frames or cells
WIDTH, LAYERS, HEADS, MLP = 128, 3, 4, 2  # of codecs that do not say


class RepViTok(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers' bases disagree
    """See the module; built untrained, and of no use before `reworld video train-codec`.

    Args:
        latent_channels: C.
        patch: pixels of a cell, a side.
        temporal_ratio: r, frames of a tubelet.
        width: D.
        layers: blocks of the encoder, and as many of the decoder.
        heads: of each attention.
        mlp: hidden width of a block's MLP, as a multiple of `width`.

    Raises:
        ConfigError: `patch` is not a multiple of 4, or `width` cannot be cut into heads.
    """

    folder = "codec"

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 96,
        patch: int = 16,
        temporal_ratio: int = 4,
        width: int = WIDTH,
        layers: int = LAYERS,
        heads: int = HEADS,
        mlp: int = MLP,
    ) -> None:
        super().__init__()
        _check_sizes(patch, width, heads)
        self.patch, self.temporal_ratio = patch, temporal_ratio
        self.head_dim = width // heads
        values = 3 * patch * patch
        self.embed_first = nn.Linear(values, width)
        self.embed_later = nn.Linear(temporal_ratio * values, width)
        self.encoder = nn.ModuleList(_Block(width, heads, mlp) for _ in range(layers))
        self.narrow = _Projection(width, latent_channels, width, heads)
        # without weights of its own, so that latents cannot outgrow the noise of training
        self.level = nn.LayerNorm(latent_channels, elementwise_affine=False)
        self.widen = _Projection(latent_channels, width, width, heads)
        self.decoder = nn.ModuleList(_Block(width, heads, mlp) for _ in range(layers))
        self.head = _Head(width, patch, temporal_ratio)
        self.latents_mean: Tensor
        self.latents_std: Tensor
        self.register_buffer("latents_mean", torch.zeros(latent_channels))
        self.register_buffer("latents_std", torch.ones(latent_channels))

    @classmethod
    def build(cls, config: CodecConfig) -> RepViTok:
        """The codec of a configuration, to be trained; `options`: width, layers, heads, mlp."""
        sizes = (config.latent_channels, config.spatial_ratio, config.temporal_ratio)
        return cls(*sizes, **config.options)

    def encode(self, x: Tensor) -> Encoded:
        """Pixels in [-1, 1], [B, 3, T, H, W], to latents [B, C, F, h, w].

        Raises:
            ConfigError: T is not 1 + k r, or H or W is not a multiple of `patch`.
        """
        self._check_pixels(x)
        first = self.embed_first(space_time_patches(x[:, :, :1], 1, self.patch))
        later = self.embed_later(space_time_patches(x[:, :, 1:], self.temporal_ratio, self.patch))
        tokens = torch.cat([first, later], dim=1)
        places = _Places.of(tokens, self.head_dim)
        z = _through(self.encoder, tokens.flatten(1, 3), places)
        z = self.level(self.narrow(z, places)).unflatten(1, tokens.shape[1:4])
        return Encoded(PointDistribution(z.permute(0, 4, 1, 2, 3)))

    def decode(self, z: Tensor) -> Decoded:
        """Latents [B, C, F, h, w] to pixels [B, 3, T, H, W]."""
        cells = z.permute(0, 2, 3, 4, 1)
        places = _Places.of(cells, self.head_dim)
        tokens = _through(self.decoder, self.widen(cells.flatten(1, 3), places), places)
        return Decoded(self.head(tokens.unflatten(1, cells.shape[1:4])))

    def learned(self) -> list[nn.Parameter]:
        """All of it."""
        return list(self.parameters())

    def spread(self) -> Tensor:
        """Standard deviations [C] of normalised latents: 1."""
        return torch.ones_like(self.latents_std)

    def baseline(self, clips: Tensor) -> Codec:
        """Patch PCA of equal sizes, fitted to the clips [B, 3, T, H, W] in [-1, 1]."""
        channels = self.latents_mean.numel()
        other = PatchPCACodec(channels, self.patch, self.temporal_ratio).to(clips.device)
        other.fit(clips[:, :, :1], clips)
        return other

    def _check_pixels(self, x: Tensor) -> None:
        ratio, frames = self.temporal_ratio, x.size(2)
        if frames < 1 or (frames - 1) % ratio:
            below = max(0, frames - 1) // ratio * ratio + 1
            message = f"a clip of {frames} frames with codec.temporal_ratio = {ratio}"
            raise ConfigError(message, f"use 1 + {ratio}k frames, such as {below}")
        for key, size in zip(("height", "width"), x.shape[3:], strict=True):
            if size % self.patch or size < 1:
                message = f"{key} = {size} is not divisible by the codec's {self.patch} pixels"
                raise ConfigError(message, f"use {(size // self.patch + 1) * self.patch}")


def _check_sizes(patch: int, width: int, heads: int) -> None:
    if patch % FINEST:
        message = f"codec.spatial_ratio = {patch} with codec.kind=repwam"
        raise ConfigError(message, f"use a multiple of {FINEST} pixels")
    if width % heads or width // heads < 2 * AXES:
        message = f"codec.options.width = {width} with heads = {heads}"
        raise ConfigError(message, f"use a multiple of heads, at least {2 * AXES} times as large")


@dataclass(frozen=True)
class _Places:
    """Where tokens are, and what each may see.

    Attributes:
        cos, sin: [N, d] of the rotary angles; pairs of channels beyond 2 d do not turn.
        mask: boolean [N, N], True where the row's token sees the column's; None: all see all.
    """

    cos: Tensor
    sin: Tensor
    mask: Tensor | None

    @classmethod
    def of(cls, grid: Tensor, head_dim: int) -> _Places:
        """Of the tokens of a tensor [B, F, h, w, ...]; computed in float32."""
        device, shape = grid.device, grid.shape[1:4]
        pairs = head_dim // (2 * AXES)
        rates = LONGEST ** -(torch.arange(pairs, device=device) / pairs)
        axes = [torch.arange(size, device=device) for size in shape]
        where = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2)
        angles = (where[:, :, None] * rates).flatten(1)
        times = where[:, 0]
        mask = None if shape[0] == 1 else times[:, None] >= times[None, :]
        return cls(angles.cos(), angles.sin(), mask)

    def turned(self, x: Tensor) -> Tensor:
        """Queries or keys [B, heads, N, head_dim], turned by the angles of their places."""
        half = self.cos.size(1)
        cos, sin = self.cos.to(x), self.sin.to(x)
        first, second, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
        return torch.cat([first * cos - second * sin, first * sin + second * cos, rest], dim=-1)


class _Attention(nn.Module):
    """LayerNorm, then attention of a token to those of its own and of earlier latent frames."""

    def __init__(self, inputs: int, outputs: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(inputs)
        self.qkv = nn.Linear(inputs, 3 * width)
        self.out = nn.Linear(width, outputs)

    def forward(self, x: Tensor, places: _Places) -> Tensor:
        """[B, N, inputs] to [B, N, outputs]."""
        parts = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        pair = places.turned(query), places.turned(key)
        seen = functional.scaled_dot_product_attention(*pair, value, attn_mask=places.mask)
        found: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return found


class _Projection(nn.Module):
    """To another width: attention beside a linear map of each token."""

    def __init__(self, inputs: int, outputs: int, width: int, heads: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.attention = _Attention(inputs, outputs, width, heads)

    def forward(self, x: Tensor, places: _Places) -> Tensor:
        """[B, N, inputs] to [B, N, outputs]."""
        found: Tensor = self.linear(x) + self.attention(x, places)
        return found


class _Block(nn.Module):
    """x + attention(x), then x + MLP(LayerNorm(x))."""

    def __init__(self, width: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.attention = _Attention(width, width, width, heads)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, mlp * width),
            nn.GELU(),
            nn.Linear(mlp * width, width),
        )

    def forward(self, x: Tensor, places: _Places) -> Tensor:
        """[B, N, D] to the same."""
        x = x + self.attention(x, places)
        found: Tensor = x + self.mlp(x)
        return found


def _through(blocks: nn.ModuleList, x: Tensor, places: _Places) -> Tensor:
    for block in blocks:
        x = block(x, places)
    return x


class _Head(nn.Module):
    """Tokens to pixels: to places of 4 x 4 pixels, of each frame; then to pixels, overlapping."""

    def __init__(self, width: int, patch: int, ratio: int) -> None:
        super().__init__()
        side, inner = patch // FINEST, max(width // 4, 8)
        self.norm = nn.LayerNorm(width)
        self.first = nn.ConvTranspose3d(width, inner, (1, side, side), (1, side, side))
        self.later = nn.ConvTranspose3d(width, inner, (ratio, side, side), (ratio, side, side))
        self.last = nn.ConvTranspose2d(inner, 3, 2 * FINEST, FINEST, padding=FINEST // 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, F, h, w, D] to [B, 3, T, H, W]."""
        cells = self.norm(tokens).permute(0, 4, 1, 2, 3)
        parts = [self.first(cells[:, :, :1])]
        if cells.size(2) > 1:
            parts.append(self.later(cells[:, :, 1:]))
        places = functional.gelu(torch.cat(parts, dim=2)).transpose(1, 2)
        pixels = self.last(places.flatten(0, 1)).unflatten(0, places.shape[:2])
        return pixels.transpose(1, 2)
