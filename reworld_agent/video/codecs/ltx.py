"""The VAE of LTX-Video as a codec.

Shapes: B batch, C latent channels, F latent frames.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from torch import Tensor

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
# Of `tiled`: pixels of a tile, and from one to the next (diffusers' own, with which DriveLaW and
# the authors' release encode).
TILE, TILE_STRIDE = 512, 448


class LTXCodec(AutoencoderKLLTXVideo):
    """The LTX VAE; decodes at time 0 where no other is given."""

    folder = "vae"

    @classmethod
    def build(cls, config: CodecConfig) -> LTXCodec:
        """The VAE of LTX-Video 0.9.5, whose sizes a configuration has to name (see GEOMETRY)."""
        codec = cls(**LTX_095)
        if config.tiled:
            codec.enable_tiling(TILE, TILE, None, TILE_STRIDE, TILE_STRIDE, None)
        return codec

    @property
    def temporal_ratio(self) -> int:
        """Frames per latent after the first."""
        return self.temporal_compression_ratio

    def decode(self, z: Tensor, temb: Tensor | None = None, return_dict: bool = True) -> Any:
        """Latents [B, C, F, h, w] to pixels; `temb` [B] is the decoder's own noise level."""
        if temb is None and self.config["timestep_conditioning"]:
            temb = torch.zeros(z.size(0), device=z.device, dtype=z.dtype)
        return super().decode(z, temb, return_dict)
