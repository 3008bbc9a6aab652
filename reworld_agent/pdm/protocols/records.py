"""Failure records: when and why a candidate loses a metric, as arrays beside the scores.

Times are seconds after t0 and NaN where nothing fails; names are empty strings there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.collision import COLLISION_TYPES
from reworld_agent.pdm.metrics.comfort import QUANTITIES
from reworld_agent.pdm.metrics.drivable_area import CORNERS, distances_outside
from reworld_agent.pdm.metrics.ttc import SIDES
from reworld_agent.pdm.protocols.scorer import (
    COMFORT_EXCESS,
    COMFORT_QUANTITY,
    COMFORT_STEP,
    DAC_CORNER,
    DAC_STEP,
    NC_STEP,
    NC_TRACK,
    NC_TYPE,
    TTC_SIDE,
    TTC_STEP,
    TTC_TRACK,
)
from reworld_agent.pdm.scene_cache import N_STEPS, POLYGON_KINDS, TRACK_TYPES, SceneCache
from reworld_agent.pdm.simulate.bicycle import DT
from reworld_agent.pdm.world.scenery import Scenery

Records = dict[str, NDArray[Any]]


def outside(
    states: NDArray[np.float64], raw: NDArray[np.float64], scenery: Scenery
) -> NDArray[np.float64]:
    """[N, 2]: how far [m] the first corner off the road is outside, and the polygon it left."""
    where = np.ascontiguousarray(raw[:, DAC_STEP : DAC_CORNER + 1])
    return distances_outside(scenery.grid, scenery.origin, states, where)


@dataclass(frozen=True)
class Names:
    """Names of a scene's tracks and polygons, each with "" at the end for index −1."""

    token: NDArray[np.str_]
    track_class: NDArray[np.str_]
    polygon_kind: NDArray[np.str_]

    @classmethod
    def of(cls, cache: SceneCache) -> Names:
        """The names in a scene cache."""
        return cls(
            token=np.append(cache.track_token.astype(np.str_), ""),
            track_class=_TRACK_TYPES[np.append(cache.track_type, -1)],
            polygon_kind=_POLYGON_KINDS[np.append(cache.polygon_kind, -1)],
        )


def _padded(*names: str) -> NDArray[np.str_]:
    return np.array([*names, ""], np.str_)


_TRACK_TYPES, _POLYGON_KINDS = _padded(*TRACK_TYPES), _padded(*POLYGON_KINDS)
_COLLISION_TYPES, _CORNERS = _padded(*COLLISION_TYPES), _padded(*CORNERS)
_SIDES, _QUANTITIES = _padded(*SIDES), _padded(*QUANTITIES)


def quantity_names(index: NDArray[np.float64]) -> NDArray[np.str_]:
    """Names of comfort's quantities [N], "" for −1."""
    return _QUANTITIES[index.astype(np.int64)]


def failure_records(
    raw: NDArray[np.float64], off_road: NDArray[np.float64], names: Names
) -> Records:
    """Why each of N candidates fails.

    Args:
        raw: [N, 17] result of `scorer.score_states`.
        off_road: [N, 2] result of `outside`.
        names: of the scene.

    Returns:
        `<metric>_failure_time_s` for NC, DAC, TTC and comfort; for NC and TTC the track's index,
        token and class, the collision type and where the object lies; for DAC the corner, the
        kind of the nearest drivable polygon and the distance to it [m]; for comfort the quantity
        that leaves its bound first and its largest excess [its unit].
    """
    nc, ttc = "no_at_fault_collisions", "time_to_collision_within_bound"
    dac, comfort = "drivable_area_compliance", "comfort"
    index = raw[:, NC_STEP:].astype(np.int64)
    nc_track, ttc_track = index[:, NC_TRACK - NC_STEP], index[:, TTC_TRACK - NC_STEP]
    seconds = _SECONDS[index[:, _STEPS]]
    on_road, comfortable = index[:, DAC_STEP - NC_STEP] < 0, index[:, COMFORT_STEP - NC_STEP] < 0
    return {
        f"{nc}_failure_time_s": seconds[:, 0],
        f"{nc}_track_index": nc_track,
        f"{nc}_track_token": names.token[nc_track],
        f"{nc}_track_class": names.track_class[nc_track],
        f"{nc}_collision_type": _COLLISION_TYPES[index[:, NC_TYPE - NC_STEP]],
        f"{dac}_failure_time_s": seconds[:, 1],
        f"{dac}_corner": _CORNERS[index[:, DAC_CORNER - NC_STEP]],
        f"{dac}_polygon_kind": names.polygon_kind[off_road[:, 1].astype(np.int64)],
        f"{dac}_distance_outside_m": np.where(on_road, np.nan, off_road[:, 0]),
        f"{ttc}_failure_time_s": seconds[:, 2],
        f"{ttc}_track_index": ttc_track,
        f"{ttc}_track_token": names.token[ttc_track],
        f"{ttc}_track_class": names.track_class[ttc_track],
        f"{ttc}_side": _SIDES[index[:, TTC_SIDE - NC_STEP]],
        f"{comfort}_failure_time_s": seconds[:, 3],
        f"{comfort}_quantity": _QUANTITIES[index[:, COMFORT_QUANTITY - NC_STEP]],
        f"{comfort}_excess": np.where(comfortable, np.nan, raw[:, COMFORT_EXCESS]),
    }


# Time of each step, NaN at the end for step −1.
_SECONDS = np.append(np.round(np.arange(N_STEPS) * DT, 1), np.nan)
_STEPS = np.array([NC_STEP, DAC_STEP, TTC_STEP, COMFORT_STEP]) - NC_STEP
