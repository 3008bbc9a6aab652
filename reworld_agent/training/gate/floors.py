"""What closed forms know of the velocity: floors that a Video DiT must beat, and its slope.

On the path x_t = (1 - t) z + t e the velocity is v = e - z. All floors are of one latent channel at
a time; a Gaussian channel's best estimate of v from x_t is the Wiener filter's.

Shapes: B scenes, C latent channels, F latent frames of the future, h, w cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from reworld_agent.video.prior import wiener_gain

LEAST_VARIANCE = 1e-12


@dataclass
class ChannelMoments:
    """Sums over future latents z and the last history latent y of their cell, channel by channel.

    `add` takes batches; the statistics are of all that were added.
    """

    count: int = 0
    _sums: dict[str, Tensor] = field(default_factory=dict)

    def add(self, history: Tensor, future: Tensor) -> None:
        """Take latents [B, C, F_history, h, w] and [B, C, F, h, w]."""
        z = future.double()
        y = history[:, :, -1:].double().expand_as(z)
        products = {"z": z, "y": y, "zz": z * z, "yy": y * y, "zy": z * y}
        for name, values in products.items():
            total = values.sum(dim=(0, 2, 3, 4))
            self._sums[name] = self._sums[name] + total if name in self._sums else total
        self.count += z[:, 0].numel()

    def _mean(self, name: str) -> Tensor:
        return self._sums[name] / self.count

    @property
    def mean(self) -> Tensor:
        """[C], float64, of the future latents."""
        return self._mean("z")

    @property
    def variance(self) -> Tensor:
        """[C], float64, of the future latents."""
        return (self._mean("zz") - self.mean.square()).clamp(min=LEAST_VARIANCE)

    @property
    def slope(self) -> Tensor:
        """[C], of the regression of a future latent on the last history latent of its cell."""
        covariance = self._mean("zy") - self.mean * self._mean("y")
        variance = self._mean("yy") - self._mean("y").square()
        return covariance / variance.clamp(min=LEAST_VARIANCE)

    @property
    def intercept(self) -> Tensor:
        """[C], of the same regression."""
        return self.mean - self.slope * self._mean("y")

    @property
    def residual_variance(self) -> Tensor:
        """[C], of what that regression leaves."""
        covariance = self._mean("zy") - self.mean * self._mean("y")
        return (self.variance - self.slope * covariance).clamp(min=LEAST_VARIANCE)


def wiener_velocity(noisy: Tensor, t: float, mean: Tensor, variance: Tensor) -> Tensor:
    """Linear least-squares estimate of v = e - z from x_t, for z of known mean and variance.

    v̂ = -m + b (x_t - (1 - t) m) with b = (t - (1 - t) s²) / ((1 - t)² s² + t²).

    Args:
        noisy: x_t [B, C, F, h, w].
        t: 1 = noise.
        mean: m, of a shape that spreads to noisy's.
        variance: s² [C].
    """
    s2 = variance.to(noisy).view(1, -1, 1, 1, 1)
    centre = mean.to(noisy)
    return wiener_gain(t, s2) * (noisy - (1.0 - t) * centre) - centre


def last_latent_mean(moments: ChannelMoments, history: Tensor, frames: int) -> Tensor:
    """The future [B, C, frames, h, w] as the last history latent has it, by the regression."""
    shape = (1, -1, 1, 1, 1)
    slope, intercept = (
        values.to(history).view(shape) for values in (moments.slope, moments.intercept)
    )
    return (slope * history[:, :, -1:] + intercept).expand(-1, -1, frames, -1, -1)


def zero_error(target: Tensor) -> Tensor:
    """Mean square [B] of the velocity itself: what an estimate of 0 has for an error."""
    return target.float().square().flatten(1).mean(dim=1)


def input_slope(velocity: Tensor, noise: Tensor) -> float:
    """Slope of the regression of an estimated velocity on the noise, pooled over all values.

    At t = 1 the input is the noise, v = e - z, and e is independent of z: the slope of a right
    estimate is 1.
    """
    x = noise.double() - noise.double().mean()
    return float((x * velocity.double()).sum() / x.square().sum())
