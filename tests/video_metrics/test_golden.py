"""A numeric routine that is wrong is found before a metric is printed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from reworld_agent.core.errors import ReWorldError
from reworld_agent.video_metrics import estimate, frechet, golden, pairs


def test_it_passes() -> None:
    golden.require_golden.cache_clear()
    golden.require_golden()


@pytest.mark.parametrize(
    ("owner", "name", "message"),
    [
        (frechet, "eigh", "many clips"),
        (frechet, "svdvals", "many clips|few clips|one axis"),
        (frechet.np, "outer", "many clips"),
        (pairs, "peak_signal_noise_ratio", "PSNR"),
        (pairs, "structural_similarity_index_measure", "SSIM"),
        (torch.nn.functional, "conv3d", "over time"),
    ],
)
def test_a_wrong_routine_is_refused(
    owner: Any, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = getattr(owner, name)

    def wrong(*given: Any, **options: Any) -> Any:
        found = right(*given, **options)
        return tuple(1.5 * part for part in found) if isinstance(found, tuple) else 1.5 * found

    monkeypatch.setattr(owner, name, wrong)
    golden.require_golden.cache_clear()
    draw = np.random.default_rng(0)
    features = draw.normal(size=(8, 2))
    with pytest.raises(ReWorldError, match=f"refusing to measure: .*({message})"):
        estimate.distance(features, features)
