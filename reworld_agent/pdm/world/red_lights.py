"""The red lights of a scene as the kernels read them: polygons around the local origin."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import SceneCache

STEPS_PER_FRAME = 5  # a light is logged at 2 Hz and holds until the next frame


class RedLights(NamedTuple):
    """Polygons of L lights in local coordinates, and when they are red."""

    xy: NDArray[np.float64]  # [V, 2] m; rings are closed
    ring_start: NDArray[np.int64]  # [R + 1]
    polygon_start: NDArray[np.int64]  # [L + 1]
    bounds: NDArray[np.float64]  # [L, 4] low x, low y, high x, high y
    red: NDArray[np.bool_]  # [9, L] at 2 Hz


def make_red_lights(cache: SceneCache, origin: NDArray[np.float64]) -> RedLights:
    """The lights of a scene cache, local = global − `origin` [2]."""
    xy = np.ascontiguousarray(cache.light_ring_xy - origin)
    first = cache.light_ring_start[cache.light_polygon_ring_start]
    parts = [xy[a:b] for a, b in pairwise(first.tolist())]
    bounds = [np.append(part.min(axis=0), part.max(axis=0)) for part in parts]
    return RedLights(
        xy,
        cache.light_ring_start.astype(np.int64),
        cache.light_polygon_ring_start.astype(np.int64),
        np.array(bounds).reshape(-1, 4),
        np.array(cache.light_red),
    )
