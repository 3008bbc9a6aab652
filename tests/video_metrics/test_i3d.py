"""I3D: documented distances of constant clips, and its parts against plain torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reworld_agent.core.errors import DataError
from reworld_agent.video_metrics import i3d_logits
from reworld_agent.video_metrics.i3d import I3D, Pool, Unit, from_arrays, pad_same, resize

# Squared distance of the logits of an all -1 and an all +1 clip of T frames, 224×224, as documented
# for the TorchScript network of StyleGAN-V; a port in other arithmetic lands within 0.35 %.
GOLDEN = {10: 569.2296, 13: 146.3664, 21: 78.1726}


@pytest.mark.usefixtures("real_i3d")
@pytest.mark.parametrize("frames", [10, 13, pytest.param(21, marks=pytest.mark.slow)])
def test_documented_distances(frames: int) -> None:
    ones = torch.ones(1, frames, 3, 224, 224)
    first, second = i3d_logits(-ones), i3d_logits(ones)
    assert first.shape == (1, 400)
    found = (first - second).double().square().sum().item()
    assert found == pytest.approx(GOLDEN[frames], rel=0.0035)


@pytest.mark.usefixtures("real_i3d")
def test_clips_of_a_batch_do_not_touch_each_other() -> None:
    torch.manual_seed(0)
    clips = torch.rand(2, 9, 3, 60, 80) * 2 - 1
    together = i3d_logits(clips)
    alone = i3d_logits(resize(clips[1:], (224, 224)))
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [7, 8, 9, 10])
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 2), (3, 1), (2, 2), (1, 1)])
def test_same_padding_has_tensorflows_size(size: int, kernel: int, stride: int) -> None:
    x = torch.arange(1.0, size + 1).view(1, 1, 1, 1, size).expand(1, 1, size, size, size)
    padded = pad_same(x, (kernel,) * 3, (stride,) * 3)
    outputs = (padded.shape[-1] - kernel) // stride + 1
    assert outputs == -(-size // stride)
    before = int((padded[0, 0, size // 2 + 1, size // 2 + 1] == 0).long().argmin())
    total = padded.shape[-1] - size
    assert before == total // 2


def test_pool_never_takes_padding() -> None:
    x = -torch.rand(1, 2, 4, 5, 5) - 1
    assert torch.isfinite(Pool((3, 3, 3), (2, 2, 2))(x)).all()
    assert Pool((3, 3, 3), (2, 2, 2))(x).max() == x[..., 0:5, 0:5].amax()


def _random_arrays(network: I3D) -> dict[str, torch.Tensor]:
    arrays = {}
    for name, module in network.named_modules():
        if isinstance(module, Unit):
            path = name.removeprefix("layers.").replace(".branches.", "/")
            outputs = module.out_channels
            shape = module.weight.permute(2, 3, 4, 1, 0).shape
            arrays[f"params/{path}/Conv_0/kernel"] = torch.randn(shape) / 10
            arrays[f"params/{path}/BatchNorm_0/bias"] = torch.randn(outputs)
            arrays[f"batch_stats/{path}/BatchNorm_0/mean"] = torch.randn(1, 1, 1, 1, outputs)
            arrays[f"batch_stats/{path}/BatchNorm_0/var"] = torch.rand(1, 1, 1, 1, outputs)
    arrays["params/Logits/Conv3d_0c_1x1/Conv_0/kernel"] = torch.randn(1, 1, 1, 1024, 400)
    arrays["params/Logits/Conv3d_0c_1x1/Conv_0/bias"] = torch.randn(400)
    return arrays


def test_folded_normalisation_is_the_normalisation() -> None:
    torch.manual_seed(0)
    arrays = _random_arrays(I3D())
    unit = from_arrays(arrays).layers["Conv3d_2b_1x1"]
    x = torch.randn(2, 64, 3, 4, 4)
    path = "Conv3d_2b_1x1"
    plain = F.conv3d(x, arrays[f"params/{path}/Conv_0/kernel"].permute(4, 3, 0, 1, 2))
    mean, var = (
        arrays[f"batch_stats/{path}/BatchNorm_0/{name}"].flatten() for name in ("mean", "var")
    )
    bias = arrays[f"params/{path}/BatchNorm_0/bias"]
    wanted = F.batch_norm(plain, mean, var, torch.ones(64), bias, eps=1e-3).relu()
    torch.testing.assert_close(unit(x), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", [2, 3, 4])
def test_head_is_pool_convolution_and_mean(steps: int) -> None:
    torch.manual_seed(0)
    network = I3D()
    network.layers = nn.ModuleDict()
    x = torch.randn(2, 1024, steps, 7, 7)
    pooled = F.avg_pool3d(x, (2, 7, 7), stride=1)
    wanted = network.logits(pooled).mean(dim=(2, 3, 4))
    torch.testing.assert_close(network(x), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        (torch.zeros(1, 8, 3, 32, 32), "at least 9"),
        (torch.zeros(1, 1, 3, 32, 32), "clips of 1 frames"),
        (torch.zeros(1, 3, 9, 32, 32), "shape"),
        (torch.zeros(9, 3, 32, 32), "shape"),
        (torch.zeros(1, 9, 3, 32, 32, dtype=torch.uint8), "uint8"),
        (torch.full((1, 9, 3, 32, 32), torch.nan), "NaN"),
        (torch.full((1, 9, 3, 32, 32), 255.0), r"instead of \[-1, 1\]"),
    ],
)
def test_clips_that_are_none_are_refused(clips: torch.Tensor, words: str) -> None:
    with pytest.raises(DataError, match=words):
        i3d_logits(clips)
