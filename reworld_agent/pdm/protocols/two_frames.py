"""EPDMS with EC: the plans of a frame beside the plans of the frame before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.metrics.definition.protocol import SCORE
from reworld_agent.pdm.metrics.records import Records
from reworld_agent.pdm.metrics.table import EC, EPDMS_V2
from reworld_agent.pdm.metrics.two_frame_comfort import MAX_INTERVAL_S, two_frame_comfort
from reworld_agent.pdm.protocols.score import score_scene
from reworld_agent.pdm.protocols.scored_scene import ScoredScene
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.rollout import rollout


def score_two_frames(
    now: SceneCache,
    poses: NDArray[np.float64],
    before: SceneCache,
    poses_before: NDArray[np.float64],
    sampling_s: float | None = None,
) -> Records:
    """EPDMS with EC: N plans of a frame, each beside the plan of the frame before it.

    Args:
        now, poses: the later scene and its candidates [N, L, 3].
        before, poses_before: the same log's scene at most 0.55 s earlier, and [N, L, 3].
        sampling_s: between the poses of both [s]; None where 8 are at 2 Hz or 40 at 10 Hz.

    Returns:
        `epdms_v2` of the later frame with two_frame_extended_comfort [N] and `score` including it.

    Raises:
        SceneError: the scenes are not consecutive frames of one log.
    """
    interval_s = (now.time_us - before.time_us) * 1e-6
    if now.log_name != before.log_name or not 0.0 < interval_s < MAX_INTERVAL_S:
        raise SceneError(
            f"scenes {before.token} and {now.token} are {interval_s:.2f} s apart",
            "EC compares frames of one log that are less than 0.55 s apart",
        )
    scene = ScoredScene.of(now)
    result = score_scene(scene, poses, EPDMS_V2.name, explain=False, interval_s=sampling_s)
    states = rollout(now, poses, sampling_s), rollout(before, poses_before, sampling_s)
    result[EC.name] = two_frame_comfort(*states, interval_s)
    result[SCORE] = EPDMS_V2.score(result)
    return result
