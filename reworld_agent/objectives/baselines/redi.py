"""ReDi (arXiv 2504.16064): latents and principal components of DINOv2 features, one joint flow."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from reworld_agent.core.errors import ConfigError
from reworld_agent.objectives.baselines.base import Representation
from reworld_agent.objectives.baselines.encoders import FrozenEncoder
from reworld_agent.objectives.baselines.protocol import DiTShape, Teacher, WithEncoder, WorldBatch
from reworld_agent.objectives.flow import masked_mse
from reworld_agent.video.backbones import VideoOutput
from reworld_agent.video.conditioning import Grid

COMPONENTS = 8


class FeaturePCA(nn.Module):
    """z-score, minus the mean of the scores, onto the first principal components."""

    mean: Tensor
    std: Tensor
    components: Tensor

    def __init__(self, width: int, components: int = COMPONENTS) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))
        self.register_buffer("components", torch.eye(width, components))

    def fit(self, features: Tensor) -> None:
        """Fit to features [M, E]; ConfigError where there are too few."""
        count = self.components.size(1)
        if len(features) <= count:
            message = f"{len(features)} feature tokens cannot give {count} components"
            raise ConfigError(message, "give more training clips")
        values = features.double()
        std = values.std(dim=0).clamp(min=1e-6)
        scores = (values - values.mean(dim=0)) / std
        components = torch.linalg.eigh(scores.T @ scores)[1].flip(1)[:, :count]
        self.mean.copy_(values.mean(dim=0))
        self.std.copy_(std)
        self.components.copy_(components)

    def forward(self, features: Tensor) -> Tensor:
        """[..., E] to [..., components]."""
        return ((features - self.mean) / self.std) @ self.components


class ReDi(Representation):
    """Eight feature channels beside the latent's under one noise level; factor 1.

    Features of the history are given clean. Only the latent's channels are decoded.
    """

    weight = 1.0
    extra_channels = COMPONENTS

    def __init__(self, shape: DiTShape, encoder: FrozenEncoder) -> None:
        super().__init__(shape)
        self.encoder = encoder
        self.pca = FeaturePCA(encoder.width)

    def fit(self, clips: Iterable[Tensor], grid: Grid) -> None:
        """Fit the PCA to the pooled features of clips [B, T, 3, H, W]."""
        found = [self.encoder.on_grid(clip, grid, self.shape.ratio).flatten(0, 1) for clip in clips]
        self.pca.fit(torch.cat(found))

    def extend(self, clean: Tensor, frames: Tensor, grid: Grid) -> Tensor:
        """Latents [B, N, C] and feature channels: [B, N, C + 8]."""
        features = self.pca(self.encoder.on_grid(frames, grid, self.shape.ratio))
        return torch.cat([clean, features.to(clean)], dim=-1)

    def extra(self, batch: WorldBatch, output: VideoOutput, teacher: Teacher | None) -> Tensor:
        """Flow-matching loss of the feature channels."""
        target = (batch.noise - batch.clean)[..., self.shape.channels :]
        return masked_mse(output.velocity[..., self.shape.channels :], target, batch.future)


REDI = WithEncoder(ReDi, "dinov2_registers")
