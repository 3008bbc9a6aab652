"""Rewards by several processes: the same digits, even shares, a killed one replaced."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.core.errors import ReWorldError
from reworld_agent.pdm.reward.sharing import Sharing
from tests.pdm.reward.test_reward import plans, scenes


def test_two_processes_give_what_one_gives() -> None:
    tokens = ["s0", "s1", "s2", "s1"]
    wanted = pdm.Reward(scenes())(tokens, plans(4))
    with pdm.Reward(scenes(), workers=2) as reward:
        np.testing.assert_array_equal(reward(tokens, plans(4)), wanted)
        victim = _pid(reward)
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(ReWorldError, match="was killed"):
            reward(tokens, plans(4))
        np.testing.assert_array_equal(reward(tokens, plans(4)), wanted)
        assert _pid(reward) != victim


def _pid(reward: pdm.Reward) -> int:
    pool = reward._workers[0]._pool  # type: ignore[attr-defined]
    return int(next(iter(pool._processes)))


def test_shares_are_even_and_scenes_stay_where_they_were() -> None:
    sharing = Sharing(2)
    first = sharing.shares(["a", "b", "c", "d"])
    assert first == [[0, 2], [1, 3]]
    assert sharing.shares(["b", "a", "d", "c"]) == [[1, 3], [0, 2]]
    assert sorted(len(share) for share in sharing.shares(["a", "c", "a", "e"])) == [2, 2]
    assert sharing.shares(["b"]) == [[], [0]]
