"""Rewards by actors of a Ray cluster; skipped where Ray, an extra, is not installed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.core.errors import DataError
from tests.pdm.reward.test_reward import plans, scenes

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'reworld-agent[ray]'")


@pytest.fixture
def no_cluster() -> Iterator[None]:
    """The cluster that a test starts ends with it."""
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("no_cluster")
def test_actors_give_what_this_process_gives() -> None:
    tokens = ["s0", "s1", "s2"]
    with pdm.Reward(scenes(), workers=2, worker="ray") as reward:
        found = reward(tokens, plans(3))
        with pytest.raises(DataError, match="1 scenes have no cache"):
            reward(["s9"], plans(1))
    np.testing.assert_array_equal(found, pdm.Reward(scenes())(tokens, plans(3)))
