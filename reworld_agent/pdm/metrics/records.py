"""Failure records: when and why a candidate loses a metric, as arrays beside the scores.

Times are seconds after t0 and NaN where nothing fails; names are empty strings there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import N_STEPS, POLYGON_KINDS, TRACK_TYPES, SceneCache
from reworld_agent.pdm.simulate.bicycle import DT

Records = dict[str, NDArray[Any]]


def padded(names: Sequence[str]) -> NDArray[np.str_]:
    """Names with "" at the end, for index −1."""
    return np.array([*names, ""], np.str_)


_TRACK_TYPES, _POLYGON_KINDS = padded(TRACK_TYPES), padded(POLYGON_KINDS)
# Time of each step, NaN at the end for step −1.
_SECONDS = np.append(np.round(np.arange(N_STEPS) * DT, 1), np.nan)


@dataclass(frozen=True)
class Names:
    """Names of a scene's tracks, polygons and lights, each with "" at the end for index −1."""

    token: NDArray[np.str_]
    track_class: NDArray[np.str_]
    polygon_kind: NDArray[np.str_]
    light: NDArray[np.str_]

    @classmethod
    def of(cls, cache: SceneCache) -> Names:
        """The names in a scene cache."""
        return cls(
            token=np.append(cache.track_token.astype(np.str_), ""),
            track_class=_TRACK_TYPES[np.append(cache.track_type, -1)],
            polygon_kind=_POLYGON_KINDS[np.append(cache.polygon_kind, -1)],
            light=np.append(cache.light_id.astype(np.str_), ""),
        )


def index(column: NDArray[np.float64]) -> NDArray[np.int64]:
    """A raw column of steps or indices as whole numbers."""
    return column.astype(np.int64)


def seconds(step: NDArray[np.float64]) -> NDArray[np.float64]:
    """Steps [N] → seconds after t0, NaN for −1."""
    return _SECONDS[index(step)]
