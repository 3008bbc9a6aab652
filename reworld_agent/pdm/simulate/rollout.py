"""How the ego drives candidates of a scene: states by the hundred, so that memory stays small."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.sampling import knot_times_us, reference_poses, sample_times_us
from reworld_agent.pdm.simulate.tracker import simulate

_CHUNK = 256  # candidates whose states are in memory at once


def simulated(cache: SceneCache, poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """States [N, 41, 11] of the ego that follows poses [N, 8 or 40, 3]; poses in the ego frame at
    t0, states global (see `bicycle`)."""
    knots, samples = knot_times_us(cache.time_us, poses.shape[1]), sample_times_us(cache.time_us)
    ego_state = np.array(cache.ego_state)
    return simulate(ego_state, reference_poses(ego_state, np.array(poses), knots, samples))


def drives(cache: SceneCache, poses: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """`simulated` for at most 256 candidates at a time."""
    for start in range(0, len(poses), _CHUNK):
        yield simulated(cache, poses[start : start + _CHUNK])
