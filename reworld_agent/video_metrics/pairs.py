"""Frame against frame: PSNR, SSIM and LPIPS of a generated clip and the real one.

PSNR and SSIM (Wang et al. 2004: Gaussian window of 11 pixels, σ 1.5, K = .01, .03) are
torchmetrics'. Shapes: T frames, H, W pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from reworld_agent.core.errors import DataError
from reworld_agent.video_metrics.lpips_network import Lpips

_SMALLEST = 11  # pixels: the window of SSIM


def pair_metrics(
    real: Tensor, generated: Tensor, metrics: tuple[str, ...], model: Lpips | None = None
) -> dict[str, NDArray[np.float64]]:
    """Each metric of each frame.

    Args:
        real, generated: [T,3,H,W] floats in [-1, 1].
        metrics: of lpips, psnr (dB over the range of the pixels; ∞ for equal frames), ssim.
        model: the network of LPIPS, where that is wanted.

    Returns:
        [T] by name.

    Raises:
        DataError: unlike shapes, frames too small, NaN.
    """
    if real.shape != generated.shape:
        shapes = f"{tuple(real.shape)} and {tuple(generated.shape)}"
        raise DataError(f"clips of shapes {shapes} are no pair", "give equally many equal frames")
    if min(real.shape[-2:]) < _SMALLEST:
        raise DataError(
            f"frames of {real.shape[-1]}x{real.shape[-2]} are too small to compare",
            f"give at least {_SMALLEST} pixels a side",
        )
    if not torch.isfinite(torch.stack([real.sum(), generated.sum()])).all():
        raise DataError("frames hold NaN or infinite values", "look at them: they are broken")
    with torch.inference_mode():
        found = [
            _frame(r[None], g[None], metrics, model) for r, g in zip(real, generated, strict=True)
        ]
    return {name: np.array([frame[name] for frame in found]) for name in metrics}


def _frame(
    real: Tensor, generated: Tensor, metrics: tuple[str, ...], model: Lpips | None
) -> dict[str, float]:
    first, second = (real + 1) / 2, (generated + 1) / 2
    found: dict[str, float] = {}
    if "psnr" in metrics:
        found["psnr"] = float(peak_signal_noise_ratio(second, first, data_range=1.0))
    if "ssim" in metrics:
        value = structural_similarity_index_measure(second, first, data_range=1.0)
        assert isinstance(value, Tensor)
        found["ssim"] = float(value)
    if "lpips" in metrics:
        assert model is not None
        found["lpips"] = float(model.distance(model.features(real), model.features(generated)))
    return found
