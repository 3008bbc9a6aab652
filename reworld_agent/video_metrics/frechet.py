"""Fréchet distance of two Gaussians fitted to features, in float64.

d² = |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½)    (Dowson & Landau 1982; Heusel et al. 2017, eq. 6)

With Σ = FᵀF, tr (Σ₁ Σ₂)^½ is the sum of the singular values of F₁F₂ᵀ. That needs no square root of
a matrix that is not symmetric, and is exact where features outnumber clips and Σ is singular.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh, svdvals

from reworld_agent.core.errors import DataError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gaussian:
    """Mean [D] and a factor [R, D] of the covariance Σ = FᵀF (normalised by n - 1)."""

    mean: Array
    factor: Array

    @classmethod
    def of(cls, features: ArrayLike) -> Gaussian:
        """Fitted to features [N, D]; raises DataError for fewer than two, NaN or infinity."""
        values = _checked(features)
        if 2 <= len(values) <= values.shape[1]:  # the centred features are a factor themselves
            mean = values.mean(axis=0)
            return cls(mean, (values - mean) / np.sqrt(len(values) - 1))
        moments = Moments()
        moments.add(values)
        return moments.gaussian()

    @property
    def covariance(self) -> Array:
        """Σ [D, D]."""
        return self.factor.T @ self.factor


class Moments:
    """Mean and covariance of features that come in parts; memory does not grow with their number.

    Parts are joined by the update of Chan, Golub & LeVeque (1983), which does not lose digits
    where the mean is large beside the spread.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean: Array = np.zeros(0)
        self._scatter: Array = np.zeros((0, 0))

    def add(self, features: ArrayLike) -> None:
        """Take features [N, D] in; raises DataError for another D, NaN or infinity."""
        values = _checked(features)
        if not len(values):
            return
        if not self.count:
            width = values.shape[1]
            self._mean, self._scatter = np.zeros(width), np.zeros((width, width))
        if values.shape[1] != len(self._mean):
            raise DataError(
                f"features of width {values.shape[1]} among features of width {len(self._mean)}",
                "take all of them from one network",
            )
        mean = values.mean(axis=0)
        centred, shift, total = values - mean, mean - self._mean, self.count + len(values)
        self._scatter += centred.T @ centred
        self._scatter += np.outer(shift, shift) * (self.count * len(values) / total)
        self._mean = self._mean + shift * (len(values) / total)
        self.count = total

    def gaussian(self) -> Gaussian:
        """What was seen, as a Gaussian; raises DataError for fewer than two features."""
        if self.count < 2:
            raise DataError(
                f"{self.count} clips have no covariance", "give two or more (hundreds, to mean it)"
            )
        values, vectors = eigh(self._scatter / (self.count - 1))
        # Directions that nothing varies along come out as rounding around 0, of either sign.
        kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
        return Gaussian(self._mean, (vectors[:, kept] * np.sqrt(values[kept])).T)


def _checked(features: ArrayLike) -> Array:
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2:
        raise DataError(f"features of shape {values.shape}", "give [N, D]")
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values).all(axis=1)))
        raise DataError(f"feature {row} is not finite", "look at its clip: it is broken")
    return values


def frechet_distance(first: Gaussian, second: Gaussian) -> float:
    """Squared Fréchet distance, as FID and FVD print it; never negative."""
    between = svdvals(first.factor @ second.factor.T).sum() if _spread(first, second) else 0.0
    variances = np.square(first.factor).sum() + np.square(second.factor).sum()
    shift = np.square(first.mean - second.mean).sum()
    return max(float(shift + variances - 2 * between), 0.0)


def _spread(first: Gaussian, second: Gaussian) -> bool:
    return bool(len(first.factor) and len(second.factor))
