"""The two codecs behind one interface, that of diffusers' `AutoencoderKLLTXVideo`.

`encode(x).latent_dist.mode()` and `decode(z).sample` on [B, 3, T, H, W] in [-1, 1], with causal
time: T = 1 + k * ratio frames give 1 + k latents, the first frame standing alone.
Shapes: B batch, T frames, F latent frames, C latent channels, P values of a patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from reworld_agent.config import CodecConfig

# The VAE of LTX-Video 0.9.5: 32 x 32 pixels and 8 frames to 128 channels.
LTX_095: dict[str, Any] = {
    "latent_channels": 128,
    "block_out_channels": (128, 256, 512, 1024, 2048),
    "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
    "decoder_block_out_channels": (256, 512, 1024),
    "layers_per_block": (4, 6, 6, 2, 2),
    "decoder_layers_per_block": (5, 5, 5, 5),
    "spatio_temporal_scaling": (True,) * 4,
    "decoder_spatio_temporal_scaling": (True,) * 3,
    "decoder_inject_noise": (False,) * 4,
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    "upsample_residual": (True,) * 3,
    "upsample_factor": (2,) * 3,
    "timestep_conditioning": True,
    "patch_size": 4,
    "patch_size_t": 1,
    "scaling_factor": 1.0,
    "encoder_causal": True,
    "decoder_causal": False,
    "spatial_compression_ratio": 32,
    "temporal_compression_ratio": 8,
}


class Codec(Protocol):
    """What the rest of the model needs of a codec; both codecs are `nn.Module`s."""

    latents_mean: Tensor
    latents_std: Tensor
    dtype: torch.dtype
    temporal_ratio: int

    def encode(self, x: Tensor) -> Any:
        """Pixels [B, 3, 1 + k r, H, W] to an object with `latent_dist.mode()`."""

    def decode(self, z: Tensor) -> Any:
        """Latents [B, C, 1 + k, h, w] to an object with `sample`."""


@dataclass
class PointDistribution:
    """A codec without spread: its mode, mean and samples are one tensor."""

    value: Tensor

    def mode(self) -> Tensor:
        """The latents."""
        return self.value

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """The latents too."""
        return self.value


@dataclass
class Encoded:
    """Result of `encode`."""

    latent_dist: PointDistribution


@dataclass
class Decoded:
    """Result of `decode`."""

    sample: Tensor


class PatchPCACodec(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Principal components of causal space-time patches: linear, closed form, no training.

    The first frame is repeated `temporal_ratio` times to fill its patch.
    """

    @register_to_config
    def __init__(self, latent_channels: int = 64, patch: int = 16, temporal_ratio: int = 4) -> None:
        super().__init__()
        self.patch, self.temporal_ratio = patch, temporal_ratio
        size = 3 * temporal_ratio * patch * patch
        self.components = nn.Parameter(torch.zeros(latent_channels, size), requires_grad=False)
        self.patch_mean = nn.Parameter(torch.zeros(size), requires_grad=False)
        self.latents_mean: Tensor
        self.latents_std: Tensor
        self.register_buffer("latents_mean", torch.zeros(latent_channels))
        self.register_buffer("latents_std", torch.ones(latent_channels))

    def to_patches(self, x: Tensor) -> Tensor:
        """Pixels [B, 3, 1 + k r, H, W] to patches [B, 1 + k, h, w, P]."""
        head = x[:, :, :1].expand(-1, -1, self.temporal_ratio - 1, -1, -1)
        return self._patches(torch.cat([head, x], dim=2), self.temporal_ratio)

    def from_patches(self, patches: Tensor) -> Tensor:
        """Inverse of `to_patches`."""
        p, r = self.patch, self.temporal_ratio
        x = patches.unflatten(4, (3, r, p, p)).permute(0, 4, 1, 5, 2, 6, 3, 7)
        x = x.flatten(6, 7).flatten(4, 5).flatten(2, 3)
        return torch.cat([x[:, :, :r].mean(dim=2, keepdim=True), x[:, :, r:]], dim=2)

    def encode(self, x: Tensor) -> Encoded:
        """Pixels in [-1, 1], [B, 3, 1 + k r, H, W], to latents [B, C, 1 + k, h, w]."""
        first = self._patches(x[:, :, :1], 1) @ self._single_components().T
        rest = self._patches(x[:, :, 1:], self.temporal_ratio) @ self.components.T
        latents = torch.cat([first, rest], dim=1) - self.components @ self.patch_mean
        return Encoded(PointDistribution(latents.permute(0, 4, 1, 2, 3)))

    def _single_components(self) -> Tensor:
        """Components of a frame repeated to fill its patch: their sums over time."""
        return self.components.unflatten(1, (3, self.temporal_ratio, -1)).sum(dim=2).flatten(1)

    def _patches(self, x: Tensor, length: int) -> Tensor:
        """Patches [B, k, h, w, P] of `length` frames each, of [B, 3, k * length, H, W]."""
        p = self.patch
        x = x.unflatten(2, (-1, length)).unflatten(4, (-1, p)).unflatten(6, (-1, p))
        return x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4)

    def decode(self, z: Tensor) -> Decoded:
        """Latents [B, C, 1 + k, h, w] to pixels [B, 3, 1 + k r, H, W]."""
        patches = z.permute(0, 2, 3, 4, 1) @ self.components + self.patch_mean
        return Decoded(self.from_patches(patches))


class LTXCodec(AutoencoderKLLTXVideo):
    """The LTX VAE under the same interface; decodes at time 0 unless told otherwise."""

    @property
    def temporal_ratio(self) -> int:
        """Frames per latent after the first."""
        return self.temporal_compression_ratio

    def decode(self, z: Tensor, temb: Tensor | None = None, return_dict: bool = True) -> Any:
        """Latents [B, C, F, h, w] to pixels; `temb` [B] is the decoder's own noise level."""
        if temb is None and self.config["timestep_conditioning"]:
            temb = torch.zeros(z.size(0), device=z.device, dtype=z.dtype)
        return super().decode(z, temb, return_dict)


def build_codec(config: CodecConfig) -> PatchPCACodec | LTXCodec:
    """The codec of a configuration, without weights."""
    if config.kind == "ltx_vae":
        return LTXCodec(**LTX_095)
    return PatchPCACodec(config.latent_channels, config.spatial_ratio, config.temporal_ratio)
