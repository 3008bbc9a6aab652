"""Rollouts of a scene's candidates: states by the hundred, so that memory stays small."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.sampling import knot_times_us, reference_poses, sample_times_us
from reworld_agent.pdm.simulate.tracker import simulate

_CHUNK = 256  # candidates whose states are in memory at once


def rollout(
    cache: SceneCache, poses: NDArray[np.float64], interval_s: float | None = None
) -> NDArray[np.float64]:
    """States [N, 41, 11] of the ego that follows poses [N, L, 3], one every `interval_s`.

    Poses are in the ego frame at t0, states global (see `bicycle`). Without an interval 8 poses
    are 0.5 s apart and 40 are 0.1 s; raises DataError for other counts.
    """
    knots = knot_times_us(cache.time_us, poses.shape[1], interval_s)
    samples = sample_times_us(cache.time_us)
    ego_state = np.array(cache.ego_state)
    return simulate(ego_state, reference_poses(ego_state, np.array(poses), knots, samples))


def rollouts(
    cache: SceneCache, poses: NDArray[np.float64], interval_s: float | None = None
) -> Iterator[NDArray[np.float64]]:
    """`rollout` for at most 256 candidates at a time."""
    for start in range(0, len(poses), _CHUNK):
        yield rollout(cache, poses[start : start + _CHUNK], interval_s)


def human_rollout(cache: SceneCache) -> NDArray[np.float64] | None:
    """States [1, 41, 11] of the ego behind the logged driver; None without a logged future."""
    if cache.human_poses.shape != (8, 3) or not np.isfinite(cache.human_poses).all():
        return None
    return rollout(cache, cache.human_poses[None])


def reference_rollout(cache: SceneCache, reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """States [1, 41, 11] of the ego that follows global reference poses [41, 3], 10 Hz."""
    return simulate(np.array(cache.ego_state), np.array(reference[None]))


def reference_states(cache: SceneCache, newer: bool = False) -> NDArray[np.float64] | None:
    """States [41, 11] of PDM-Closed as the scorer simulates it; None where the cache has none.

    Args:
        cache: the scene.
        newer: rather PDM-Closed of v2.2, where there are both.
    """
    both = [cache.pdm_closed_poses, cache.pdm_closed_poses_v2]
    for poses in reversed(both) if newer else both:
        if len(poses) and np.isfinite(poses).all():
            states: NDArray[np.float64] = reference_rollout(cache, poses)[0]
            return states
    return None
