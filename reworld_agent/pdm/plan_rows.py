"""One plan of one frame as the aggregation of EPDMS takes it (`protocols.aggregate`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from reworld_agent.pdm.api import score
from reworld_agent.pdm.metrics.table import EPDMS_V2
from reworld_agent.pdm.poses import check_poses
from reworld_agent.pdm.protocols.aggregate import METRICS, plan_geometry
from reworld_agent.pdm.scene_cache import SceneCache


def plan_row(cache: SceneCache, poses: Any, interval_s: float | None = None) -> dict[str, Any]:
    """What the aggregation needs of one plan.

    Args:
        cache: the frame.
        poses: [L, 3] x, y [m], heading [rad], ego frame.
        interval_s: between them [s]; None where 8 are at 2 Hz or 40 at 10 Hz.

    Returns:
        token, log_name, start_time_s, the eight metrics of EPDMS after the human filter,
        endpoint_x/y and start_point_x/y [m] global, and states [41, 11], the simulated plan.

    Raises:
        DataError: the poses cannot be scored.
        SceneError: the frame cannot.
    """
    checked = check_poses(np.asarray(poses)[None], cache.token, interval_s)
    scores = score(cache, checked, EPDMS_V2.name, interval_s=interval_s)
    return {
        **plan_geometry(cache, checked, interval_s),
        **{metric: float(scores[metric][0]) for metric in METRICS},
    }
