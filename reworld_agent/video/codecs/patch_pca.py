"""Principal components of causal space-time patches: a codec in closed form, without training.

Shapes: B batch, T frames, C latent channels, P values of a patch.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from reworld_agent.config import CodecConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.video.codecs.protocol import Decoded, Encoded, PointDistribution

MAX_PATCHES = 20000  # that a fit draws of each kind


class PatchPCACodec(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers' bases disagree
    """Linear codec of patches; the first frame is repeated `temporal_ratio` times to fill its own.

    Args:
        latent_channels: C, components that are kept.
        patch: pixels of a patch, height and width alike.
        temporal_ratio: frames of a patch.
    """

    folder = "codec"

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

    @classmethod
    def build(cls, config: CodecConfig) -> PatchPCACodec:
        """The codec of a configuration, to be fitted."""
        return cls(config.latent_channels, config.spatial_ratio, config.temporal_ratio)

    def to_patches(self, x: Tensor) -> Tensor:
        """Pixels [B, 3, 1 + k r, H, W] to patches [B, 1 + k, h, w, P]."""
        head = x[:, :, :1].expand(-1, -1, self.temporal_ratio - 1, -1, -1)
        return space_time_patches(torch.cat([head, x], dim=2), self.temporal_ratio, self.patch)

    def from_patches(self, patches: Tensor) -> Tensor:
        """Inverse of `to_patches`."""
        p, r = self.patch, self.temporal_ratio
        x = patches.unflatten(4, (3, r, p, p)).permute(0, 4, 1, 5, 2, 6, 3, 7)
        x = x.flatten(6, 7).flatten(4, 5).flatten(2, 3)
        return torch.cat([x[:, :, :r].mean(dim=2, keepdim=True), x[:, :, r:]], dim=2)

    def encode(self, x: Tensor) -> Encoded:
        """Pixels in [-1, 1], [B, 3, 1 + k r, H, W], to latents [B, C, 1 + k, h, w]."""
        first = space_time_patches(x[:, :, :1], 1, self.patch) @ self._single_components().T
        rest = space_time_patches(x[:, :, 1:], self.temporal_ratio, self.patch) @ self.components.T
        latents = torch.cat([first, rest], dim=1) - self.components @ self.patch_mean
        return Encoded(PointDistribution(latents.permute(0, 4, 1, 2, 3)))

    def _single_components(self) -> Tensor:
        """Components of a frame repeated to fill its patch: their sums over time."""
        return self.components.unflatten(1, (3, self.temporal_ratio, -1)).sum(dim=2).flatten(1)

    def decode(self, z: Tensor) -> Decoded:
        """Latents [B, C, 1 + k, h, w] to pixels [B, 3, 1 + k r, H, W]."""
        patches = z.permute(0, 2, 3, 4, 1) @ self.components + self.patch_mean
        return Decoded(self.from_patches(patches))

    def fit(self, singles: Tensor, clips: Tensor, seed: int = 0) -> float:
        """Set components and latent statistics; returns the explained share of variance.

        Args:
            singles: images [B, 3, 1, H, W] in [-1, 1], encoded alone (the history).
            clips: [B, 3, 1 + k r, H, W] in [-1, 1] (the future).
            seed: of the drawn patches and of the randomised decomposition.

        Raises:
            ConfigError: there are fewer patches than components.
        """
        generator = torch.Generator().manual_seed(seed)
        kinds = [
            self.to_patches(singles).flatten(0, 3),
            self.to_patches(clips)[:, 1:].flatten(0, 3),
        ]
        patches = torch.cat([_draw(kind, generator) for kind in kinds])
        rank = self.components.size(0)
        if len(patches) <= rank:
            raise ConfigError(f"{len(patches)} patches cannot give {rank} components", "add frames")
        mean = patches.mean(dim=0)
        centred = patches - mean
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            _, scale, components = torch.pca_lowrank(centred, q=rank + 16, center=False, niter=4)
        latents = centred @ components[:, :rank]
        with torch.no_grad():
            self.patch_mean.copy_(mean)
            self.components.copy_(components[:, :rank].T)
            self.latents_mean.copy_(latents.mean(dim=0))
            self.latents_std.copy_(latents.std(dim=0).clamp(min=1e-6))
        return float(scale[:rank].square().sum() / centred.square().sum())


def space_time_patches(x: Tensor, length: int, side: int) -> Tensor:
    """Patches [B, k, h, w, 3 length side²] of pixels [B, 3, k length, h side, w side]."""
    x = x.unflatten(2, (-1, length)).unflatten(4, (-1, side)).unflatten(6, (-1, side))
    return x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4)


def _draw(patches: Tensor, generator: torch.Generator) -> Tensor:
    chosen = torch.randperm(len(patches), generator=generator)[:MAX_PATCHES]
    return patches[chosen]
