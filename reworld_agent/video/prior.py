"""A closed form of the velocity, to which a Video DiT adds what it knows beyond it.

The last history latent, regressed on, and the Wiener filter around it. With z the future latent of
a channel and frame, y the last history latent of its cell, m = a y + b, and s² the variance that
the regression leaves,

    v̂ = -m + g (x_t - (1 - t) m),   g = (t - (1 - t) s²) / ((1 - t)² s² + t²),
    E (v - v̂)² = s² / ((1 - t)² s² + t²) = c²,

and the velocity is v̂ + c F with F what the network says, whose targets then have variance 1 at
every noise level and in every channel (the preconditioning of EDM, arXiv 2206.00364, with a mean
that is known). At t = 1 the slope of the velocity on the noise is 1, as it must be.

Shapes: B samples, F future latent frames, C latent channels, h, w cells, N tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reworld_agent.core.errors import ConfigError
from reworld_agent.video.conditioning import Grid

LEAST_VARIANCE = 1e-6


def wiener_gain(t: Tensor | float, variance: Tensor) -> Tensor:
    """G above: the factor of x_t - (1 - t) m in the least-squares estimate of v + m."""
    keep = 1.0 - t
    return (t - keep * variance) / (keep * keep * variance + t * t).clamp(min=1e-12)


def wiener_error(t: Tensor | float, variance: Tensor) -> Tensor:
    """c² above: the mean squared error of that estimate, exact for any distribution."""
    return variance / ((1.0 - t) ** 2 * variance + t * t).clamp(min=1e-12)


class LastLatentPrior(nn.Module):
    """The regression of each future frame and channel on the last history latent.

    Buffers slope (a), intercept (b), variance (s²), each [F, C]; before `fit` the latents of a
    future are taken to have mean 0 and variance 1 whatever the history says.

    Args:
        frames: F.
        channels: C.
    """

    slope: Tensor
    intercept: Tensor
    variance: Tensor

    def __init__(self, frames: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("slope", torch.zeros(frames, channels))
        self.register_buffer("intercept", torch.zeros(frames, channels))
        self.register_buffer("variance", torch.ones(frames, channels))

    def fit(self, latents: Tensor) -> None:
        """Least squares on normalised latents [B, C, 1 + F, h, w], the last of the history first.

        Raises:
            ConfigError: another number of frames.
        """
        frames = len(self.slope)
        if latents.size(2) != 1 + frames:
            message = f"{latents.size(2) - 1} future latents for a prior of {frames}"
            raise ConfigError(message, "leave video.prior_frames out: it follows from the clip")
        values = latents.double().movedim(2, 0).movedim(2, 1).flatten(2)  # [1 + F, C, B h w]
        y, z = values[:1], values[1:]
        y_mean, z_mean = y.mean(dim=2, keepdim=True), z.mean(dim=2, keepdim=True)
        covariance = ((y - y_mean) * (z - z_mean)).mean(dim=2)
        slope = covariance / y.var(dim=2, unbiased=False).clamp(min=LEAST_VARIANCE)
        left = z.var(dim=2, unbiased=False) - slope * covariance
        self.slope.copy_(slope)
        self.intercept.copy_(z_mean[..., 0] - slope * y_mean[..., 0])
        self.variance.copy_(left.clamp(min=LEAST_VARIANCE))

    def forward(self, tokens: Tensor, times: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        """v̂ and c, [B, future tokens, C], of tokens [B, N, C] at times [B], or [B or 1, T].

        T divides N: a time for each run of N / T tokens. A future longer than the one that was
        fitted goes on as its last frame does.
        """
        runs = times.view(len(times), -1)
        each = runs.repeat_interleave(grid.tokens // runs.size(1), dim=1)[..., None]
        start = grid.history * grid.cells
        t, noisy = each[:, start:].to(tokens), tokens[:, start:]
        last = tokens[:, start - grid.cells : start].repeat(1, grid.future, 1)
        frame = torch.arange(grid.future, device=tokens.device).clamp(max=len(self.slope) - 1)
        frame = frame.repeat_interleave(grid.cells)
        slope, intercept, variance = (
            values[frame].to(tokens) for values in (self.slope, self.intercept, self.variance)
        )
        mean = slope * last + intercept
        estimate = wiener_gain(t, variance) * (noisy - (1 - t) * mean) - mean
        return estimate, wiener_error(t, variance).sqrt()

    def added(self, velocity: Tensor, tokens: Tensor, times: Tensor, grid: Grid) -> Tensor:
        """v̂ + c F [B, N, C] of F [B, N, C]; tokens of the history keep theirs."""
        estimate, scale = self(tokens, times, grid)
        start = grid.history * grid.cells
        future = estimate + scale * velocity[:, start:]
        return torch.cat([velocity[:, :start], future.to(velocity)], dim=1)
