"""Where and with what a plan fails, in pictures: the instant, the object, the corner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics import FailureAnnotation, metric_called
from reworld_agent.pdm.scene_cache import SceneCache


def annotation_of(
    cache: SceneCache, states: NDArray[np.float64], row: Mapping[str, Any]
) -> FailureAnnotation:
    """How one failure is annotated in pictures.

    Args:
        cache: the scene.
        states: [41, 11] simulated states, global.
        row: of `explain.explain_scene`.
    """
    short, time = str(row["metric"]), float(row["failure_time_s"])
    step = int(np.clip(np.nan_to_num(round(time * 10, 3), nan=40.0), 0, 40))
    plain = FailureAnnotation(short, step)
    explainer = metric_called(short).explainer
    if explainer is None or explainer.annotate is None:
        return plain
    return explainer.annotate(plain, cache, states, row)
