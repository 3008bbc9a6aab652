"""What the model needs of a codec; the form is that of diffusers' `AutoencoderKLLTXVideo`.

Causal time: T = 1 + k * ratio frames give 1 + k latents, the first frame standing alone.
Shapes: B batch, T frames, C latent channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from reworld_agent.config import CodecConfig


@dataclass
class PointDistribution:
    """A codec without spread: its mode, mean and samples are one tensor."""

    value: Tensor

    @property
    def std(self) -> Tensor:
        """Their standard deviation: 0."""
        return self.value.new_zeros(self.value.shape)

    def mode(self) -> Tensor:
        """The latents."""
        return self.value

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """The latents too."""
        return self.value


@dataclass
class Encoded:
    """Result of `encode`; what diffusers' autoencoders return has the same attribute."""

    latent_dist: PointDistribution


@dataclass
class Decoded:
    """Result of `decode`; what diffusers' autoencoders return has the same attribute."""

    sample: Tensor


class Codec(Protocol):
    """A codec: a `torch.nn.Module`, whose methods and submodules are reached as usual.

    Attributes:
        latents_mean, latents_std: buffers [C], by which latents are normalised.
        temporal_ratio: frames per latent after the first.
        folder: its folder in a saved model, such as `codec`.
    """

    latents_mean: Tensor
    latents_std: Tensor
    folder: str

    @property
    def temporal_ratio(self) -> int:
        """Frames per latent after the first."""

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights; pixels come in it."""

    def encode(self, x: Tensor) -> Encoded:
        """Pixels in [-1, 1], [B, 3, 1 + k r, H, W], to latents [B, C, 1 + k, h, w]."""

    def decode(self, z: Tensor) -> Decoded:
        """Latents [B, C, 1 + k, h, w] to pixels [B, 3, 1 + k r, H, W]."""

    def __getattr__(self, name: str) -> Any:
        """What `torch.nn.Module` has beside."""


@runtime_checkable
class FittedCodec(Protocol):
    """A codec that is fitted to frames in closed form, before Stage 1."""

    def fit(self, singles: Tensor, clips: Tensor, seed: int = 0) -> float:
        """Set weights and latent statistics; returns the explained share of variance.

        Args:
            singles: images [B, 3, 1, H, W] in [-1, 1], encoded alone (the history).
            clips: [B, 3, 1 + k r, H, W] in [-1, 1] (the future).
            seed: of whatever is drawn.
        """


@runtime_checkable
class TrainableCodec(Protocol):
    """A codec that `reworld video train-codec` trains, before Stage 1."""

    def learned(self) -> list[nn.Parameter]:
        """What is trained; the rest stays as it is."""

    def spread(self) -> Tensor:
        """Standard deviations [C] that its normalised latents are to have."""

    def baseline(self, clips: Tensor) -> Codec:
        """Patch PCA of the same latent channels, cells and frames, beside which it is judged.

        Args:
            clips: training clips [B, 3, 1 + k r, H, W] in [-1, 1], for a codec that has none yet.
        """


class CodecBuilder(Protocol):
    """What is registered: a class or a function that makes a codec, without weights."""

    def __call__(self, config: CodecConfig, /) -> Codec:
        """The codec of a configuration; ConfigError where it cannot have these sizes."""
