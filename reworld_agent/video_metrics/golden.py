"""Golden check of the video metrics: small inputs whose results are known on paper.

The Fréchet distance rests on eigenvalues and singular values (scipy), PSNR and SSIM on torch and
torchmetrics, I3D on three-dimensional convolutions. Each is looked up where the metrics look it up,
so that a routine that something has replaced is found before a number is printed.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from reworld_agent.core.errors import ReWorldError
from reworld_agent.video_metrics.frechet import Gaussian, Moments, frechet_distance
from reworld_agent.video_metrics.pairs import pair_metrics

_HINT = "something has replaced a routine, or a library is broken: pip install -c constraints.txt"
_TOLERANCE = 1e-4  # PSNR and SSIM are float32
# Points at ±e_k around a mean: covariance 2 s² / (n - 1) on each axis, n = 2 D.
_AXES = np.concatenate([np.eye(2), -np.eye(2)])


def _frechet_many() -> float:
    """More points than axes, in two parts: eigenvalues.

    Σ₁ = ⅔ I, Σ₂ = ⅔ diag(4, 9), means (3, 4) apart:
    d² = 25 + ⅔ (1 + 1 + 4 + 9) − 2 · ⅔ (2 + 3) = 25 + 10 − 20/3 = 85/3
    """
    other = _AXES * np.array([2.0, 3.0]) + np.array([3.0, 4.0])
    return frechet_distance(_in_parts(_AXES), _in_parts(other))


def _in_parts(points: NDArray[np.float64]) -> Gaussian:
    moments = Moments()
    for part in (points[:1], points[1:]):
        moments.add(part)
    return moments.gaussian()


def _frechet_few() -> float:
    """Fewer points than axes: singular values. Σ₁ = 2 e₁e₁ᵀ, Σ₂ = 8 e₂e₂ᵀ: d² = 2 + 8 − 0 = 10."""
    first = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    second = np.array([[0.0, 2.0, 0.0], [0.0, -2.0, 0.0]])
    return frechet_distance(Gaussian.of(first), Gaussian.of(second))


def _shared() -> float:
    """Σ₁ = 2 e₁e₁ᵀ, Σ₂ = 8 e₁e₁ᵀ: d² = 2 + 8 − 2 · 4 = 2, all of it by singular values."""
    first = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    return frechet_distance(Gaussian.of(first), Gaussian.of(2 * first))


def _pair(name: str) -> float:
    """Flat frames 0 and ½ of [0, 1]: PSNR 10 log₁₀ 4; SSIM C₁ / (¼ + C₁), C₁ = 10⁻⁴."""
    dark = torch.full((1, 3, 16, 16), -1.0)
    return float(pair_metrics(dark, dark + 1.0, (name,))[name][0])


def _convolution() -> float:
    """A window of ones, 2 × 2 × 2, over 0 … 26: the means of its eight places sum to 8 · 8 · 13."""
    numbers: Tensor = torch.arange(27.0).reshape(1, 1, 3, 3, 3)
    return float(F.conv3d(numbers, torch.ones(1, 1, 2, 2, 2)).sum())


_CHECKS = (
    ("the Fréchet distance of many clips", _frechet_many, 85 / 3),
    ("the Fréchet distance of few clips", _frechet_few, 10.0),
    ("the Fréchet distance along one axis", _shared, 2.0),
    ("PSNR", lambda: _pair("psnr"), 10 * math.log10(4.0)),
    ("SSIM", lambda: _pair("ssim"), 1e-4 / (0.25 + 1e-4)),
    ("a convolution over time", _convolution, 832.0),
)


@cache
def require_golden() -> None:
    """Raise ReWorldError where this process would measure wrongly; asked once, then known."""
    for name, measure, expected in _CHECKS:
        try:
            found = measure()
        except Exception as error:  # whatever a broken routine raises
            raise _refusal(name, error, expected) from error
        if not abs(found - expected) <= _TOLERANCE * max(1.0, expected):
            raise _refusal(name, found, expected)


def _refusal(name: str, found: object, expected: float) -> ReWorldError:
    return ReWorldError(
        f"refusing to measure: {name} of a known case is {found}, not {expected:.6g}", _HINT
    )
