"""What all flow-matching terms share: the path, its target, times, masked error (Eqs. 1, 3).

Shapes: B batch, N tokens or waypoints, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def interpolate(clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t = (1 - t) x_0 + t noise for [B, N, C] and times [B] or [B, N]."""
    t = t.view(*t.shape, *[1] * (clean.ndim - t.ndim)).to(clean)
    return (1 - t) * clean + t * noise


def velocity_target(clean: Tensor, noise: Tensor) -> Tensor:
    """The derivative of the path, noise - x_0."""
    return noise - clean


def clean_estimate(noisy: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
    """x_0 as this velocity has it: x_t - t v (Eq. 16)."""
    return noisy - t.view(*t.shape, *[1] * (noisy.ndim - t.ndim)).to(noisy) * velocity


def masked_mse(velocity: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared error over the tokens where `mask` [N] is True (all of them without one).

    The numbers of the tokens do as well: unlike a mask, they say how many there are without asking
    the device.
    """
    error = (velocity.float() - target.float()).square()
    return error.mean() if mask is None else error[:, mask].mean()


def time_shift(tokens: int) -> float:
    """Mean of the normal behind LTX-Video's times: .95 at 1024 tokens, 2.05 at 4096.

    On one line through both, and on it beyond them: 8 waypoints give .586.
    """
    return 0.95 + (2.05 - 0.95) * (tokens - 1024) / (4096 - 1024)


def draw_times(
    shape: Sequence[int],
    distribution: str,
    generator: torch.Generator | None,
    like: Tensor,
    tokens: int = 0,
) -> Tensor:
    """Times in [0, 1].

    Args:
        shape: of the result.
        distribution: `uniform`; `logit_normal`, the sigmoid of a standard normal; or
            `shifted_logit_normal`, of one whose mean is `time_shift(tokens)`.
        generator: None = torch's global one.
        like: on its device.
        tokens: of one sample: video tokens, or waypoints.
    """
    if distribution == "uniform":
        return torch.rand(*shape, generator=generator, device=like.device, dtype=torch.float32)
    normal = torch.randn(*shape, generator=generator, device=like.device, dtype=torch.float32)
    if distribution == "shifted_logit_normal":
        normal = normal + time_shift(tokens)
    return normal.sigmoid()


def draw_token_times(
    batch: int,
    frames: int,
    cells: int,
    mode: str,
    distribution: str,
    generator: torch.Generator | None,
    like: Tensor,
) -> Tensor:
    """Times [B, frames * cells]: one draw for each token, for each latent frame, or each sample."""
    shape = {"token": (frames, cells), "frame": (frames, 1), "sample": (1, 1)}[mode]
    times = draw_times((batch, *shape), distribution, generator, like, frames * cells)
    return times.expand(batch, frames, cells).flatten(1)
