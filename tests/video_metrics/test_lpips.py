"""LPIPS against its documented value and the official linear heads that torchmetrics ships."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torchmetrics

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.video_metrics import lpips
from reworld_agent.video_metrics.lpips_network import load_lpips


@pytest.mark.usefixtures("real_lpips")
def test_documented_value() -> None:
    ones = torch.ones(1, 3, 64, 64)
    assert lpips(-ones, ones).item() == pytest.approx(0.81395, abs=2e-5)


@pytest.mark.usefixtures("real_lpips")
def test_heads_are_the_official_ones() -> None:
    file = Path(torchmetrics.__file__).parent / "functional/image/lpips_models/alex.pth"
    official = torch.load(file, weights_only=True, map_location="cpu")
    for wanted, head in zip(official.values(), load_lpips().heads, strict=True):
        torch.testing.assert_close(head.data, wanted.flatten(), rtol=0, atol=0)


@pytest.mark.usefixtures("real_lpips")
def test_a_distance_grows_with_noise_and_is_zero_for_equal_images() -> None:
    torch.manual_seed(0)
    image = torch.rand(2, 3, 48, 64) * 2 - 1
    noise = torch.randn_like(image)
    found = [lpips(image, (image + s * noise).clamp(-1, 1)) for s in (0.0, 0.1, 0.3, 1.0)]
    assert found[0].tolist() == [0.0, 0.0]
    assert all((b > a).all() for a, b in pairwise(found))
    torch.testing.assert_close(lpips(image, noise.tanh()), lpips(noise.tanh(), image))


@pytest.mark.usefixtures("real_lpips")
@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 65), "no pairs"),
        (torch.zeros(3, 64, 64), torch.zeros(3, 64, 64), "no pairs"),
        (torch.zeros(1, 3, 30, 64), torch.zeros(1, 3, 30, 64), "too small"),
        (torch.zeros(1, 3, 64, 64), torch.full((1, 3, 64, 64), torch.nan), "NaN"),
    ],
)
def test_what_is_no_pair_is_refused(first: torch.Tensor, second: torch.Tensor, words: str) -> None:
    with pytest.raises(DataError, match=words):
        lpips(first, second)


def test_smallest_size_and_unknown_network() -> None:
    with pytest.raises(ConfigError, match="unknown"):
        load_lpips("squeeze")


@pytest.mark.usefixtures("real_lpips")
def test_smallest_size_is_the_smallest() -> None:
    assert torch.isfinite(lpips(torch.zeros(1, 3, 31, 31), torch.ones(1, 3, 31, 31))).all()
