"""FVD of real driving clips: none against themselves, more the more they are spoilt."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from reworld_agent.video_metrics import i3d_logits
from reworld_agent.video_metrics.clip_sets import list_clips
from reworld_agent.video_metrics.crop import Crop
from reworld_agent.video_metrics.estimate import distance
from reworld_agent.video_metrics.views import scaled

FRAMES = 9
Clips = NDArray[np.uint8]


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Clips:
    """[3,9,3,224,224]: the right halves, without the label row, of the comparison videos."""
    crop = Crop.parse("1280:680:1280:24")
    clips = [c for c in list_clips(shared_data / "video_pairs") if "comparison" in c.name]
    views = [scaled(crop.of(c.read(0, FRAMES), c.where), 224) for c in clips]
    return ((torch.stack(views) + 1) * 127.5).round().byte().numpy()


@pytest.fixture(scope="module")
def clean(real: Clips, real_i3d: None) -> NDArray[np.float64]:
    """Logits of the clips as they are."""
    return _logits(real)


def _logits(clips: Clips) -> NDArray[np.float64]:
    parts = [i3d_logits(torch.from_numpy(clip)[None].float() / 127.5 - 1) for clip in clips]
    return torch.cat(parts).double().numpy()


def blurred(clips: Clips, sigma: float) -> Clips:
    """Gaussian blur of σ pixels."""
    flat = clips.reshape(-1, *clips.shape[2:]).transpose(0, 2, 3, 1)
    found = [cv2.GaussianBlur(frame, (0, 0), sigma) for frame in flat]
    return np.stack(found).transpose(0, 3, 1, 2).reshape(clips.shape)


def shuffled(clips: Clips, share: float) -> Clips:
    """A share of the frames of each clip changes places."""
    rng, found = np.random.default_rng(0), clips.copy()
    for clip in found:
        places = rng.permutation(len(clip))[: round(share * len(clip))]
        clip[places] = clip[np.roll(places, 1)]
    return found


@pytest.mark.parametrize(
    ("spoil", "levels"),
    [(blurred, (2.0, 6.0)), pytest.param(shuffled, (0.4, 1.0), marks=pytest.mark.slow)],
)
def test_fvd_grows_with_the_damage(
    real: Clips,
    clean: NDArray[np.float64],
    spoil: Callable[[Clips, float], Clips],
    levels: tuple[float, ...],
) -> None:
    found = [distance(clean, clean)]
    found += [distance(clean, _logits(spoil(real, level))) for level in levels]
    assert found[0] < 1e-6
    assert all(after > before + 1 for before, after in pairwise(found))
