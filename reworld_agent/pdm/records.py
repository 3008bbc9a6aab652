"""Failure records: when and why a candidate loses a metric, as arrays beside the scores.

Times are seconds after t0 and NaN where nothing fails; names are empty strings there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.bicycle import DT
from reworld_agent.pdm.cache import POLYGON_KINDS, TRACK_TYPES, SceneCache
from reworld_agent.pdm.collision import COLLISION_TYPES
from reworld_agent.pdm.comfort import QUANTITIES
from reworld_agent.pdm.drivable_area import CORNERS, distances_outside
from reworld_agent.pdm.scenery import Scenery
from reworld_agent.pdm.scorer import (
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
from reworld_agent.pdm.ttc import SIDES

Records = dict[str, NDArray[Any]]


def outside(
    states: NDArray[np.float64], raw: NDArray[np.float64], scenery: Scenery
) -> NDArray[np.float64]:
    """[N, 2]: how far [m] the first corner off the road is outside, and the polygon it left."""
    return distances_outside(
        scenery.grid, scenery.origin, states, raw[:, DAC_STEP : DAC_CORNER + 1]
    )


def failure_records(
    raw: NDArray[np.float64], off_road: NDArray[np.float64], cache: SceneCache
) -> Records:
    """Why each of N candidates fails.

    Args:
        raw: [N, 17] result of `scorer.score_states`.
        off_road: [N, 2] result of `outside`.
        cache: the scene, for names.

    Returns:
        `<metric>_failure_time_s` for NC, DAC, TTC and comfort; for NC and TTC the track's index,
        token and class, the collision type and where the object lies; for DAC the corner, the
        kind of the nearest drivable polygon and the distance to it [m]; for comfort the quantity
        that leaves its bound first and its largest excess [its unit].
    """
    nc, ttc = "no_at_fault_collisions", "time_to_collision_within_bound"
    dac, comfort = "drivable_area_compliance", "comfort"
    distance = np.where(raw[:, DAC_STEP] < 0, np.nan, off_road[:, 0])
    kinds = np.array([POLYGON_KINDS[kind] for kind in cache.polygon_kind], np.str_)
    return {
        f"{nc}_failure_time_s": _seconds(raw[:, NC_STEP]),
        **_track(nc, raw[:, NC_TRACK], cache),
        f"{nc}_collision_type": _name(raw[:, NC_TYPE], np.array(COLLISION_TYPES)),
        f"{dac}_failure_time_s": _seconds(raw[:, DAC_STEP]),
        f"{dac}_corner": _name(raw[:, DAC_CORNER], np.array(CORNERS)),
        f"{dac}_polygon_kind": _name(off_road[:, 1], kinds),
        f"{dac}_distance_outside_m": distance,
        f"{ttc}_failure_time_s": _seconds(raw[:, TTC_STEP]),
        **_track(ttc, raw[:, TTC_TRACK], cache),
        f"{ttc}_side": _name(raw[:, TTC_SIDE], np.array(SIDES)),
        f"{comfort}_failure_time_s": _seconds(raw[:, COMFORT_STEP]),
        f"{comfort}_quantity": _name(raw[:, COMFORT_QUANTITY], np.array(QUANTITIES)),
        f"{comfort}_excess": np.where(raw[:, COMFORT_STEP] < 0, np.nan, raw[:, COMFORT_EXCESS]),
    }


def _seconds(step: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(step < 0, np.nan, np.round(step * DT, 1))


def _name(index: NDArray[np.float64], names: NDArray[np.str_]) -> NDArray[np.str_]:
    """names[index], "" where the index is negative."""
    padded = np.append(names.astype(np.str_), "")
    return padded[index.astype(np.int64)]


def _track(metric: str, index: NDArray[np.float64], cache: SceneCache) -> Records:
    types = np.array([TRACK_TYPES[kind] for kind in cache.track_type], np.str_)
    return {
        f"{metric}_track_index": index.astype(np.int64),
        f"{metric}_track_token": _name(index, cache.track_token),
        f"{metric}_track_class": _name(index, types),
    }
