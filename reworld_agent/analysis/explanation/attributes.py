"""What happened when a metric failed: time, object, place, quantity, and the mechanism.

Everything comes from the scorer's failure records (`pdm.score(..., explain=True)`) and from the
simulated drive; the same keys for PDMS and EPDMS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.analysis.explanation import classes, situations
from reworld_agent.analysis.tables.protocols import (
    COMFORT,
    DAC,
    DDC,
    EP,
    HISTORY_COMFORT,
    LANE_KEEPING,
    NC,
    TLC,
    TTC,
)
from reworld_agent.pdm.scene_cache import SceneCache

Array = NDArray[np.float64]
Attributes = dict[str, Any]
Records = Mapping[str, Any]
_WRONG_WAY_M = 2.0  # driven within a second; DDC is lost from there on


def failure_attributes(name: str, cache: SceneCache, states: Array, scored: Records) -> Attributes:
    """Attributes of one failed metric.

    Args:
        name: column of the metric, such as `no_at_fault_collisions`.
        cache: the scene.
        states: [41, 11] simulated drive, global.
        scored: records of the one plan.

    Returns:
        failure_time_s, detail, near, object_token, object_class, closing_mps,
        distance_outside_m, excess, mechanism; "" or NaN where they do not apply.
    """
    empty: Attributes = {
        "failure_time_s": scored.get(f"{name}_failure_time_s", np.nan),
        **dict.fromkeys(("detail", "near", "object_token", "object_class"), ""),
        **dict.fromkeys(("closing_mps", "distance_outside_m", "excess"), np.nan),
    }
    return empty | _OF[name](name, cache, states, scored)


def _contact(name: str, cache: SceneCache, states: Array, scored: Records) -> Attributes:
    track, time = int(scored[f"{name}_track_index"]), scored[f"{name}_failure_time_s"]
    met = situations.encounter(cache, states, track, time)
    detail = "collision_type" if name == NC else "side"
    return {
        "detail": scored[f"{name}_{detail}"],
        "object_token": scored[f"{name}_track_token"],
        "object_class": scored[f"{name}_track_class"],
        "closing_mps": met.closing_mps,
        "mechanism": classes.of_contact(met),
    }


def _road(name: str, cache: SceneCache, states: Array, scored: Records) -> Attributes:
    kind, time = scored[f"{name}_polygon_kind"], scored[f"{name}_failure_time_s"]
    return {
        "detail": scored[f"{name}_corner"],
        "near": kind,
        "distance_outside_m": scored[f"{name}_distance_outside_m"],
        "mechanism": classes.of_road(cache, states, time, kind),
    }


def _direction(name: str, cache: SceneCache, states: Array, scored: Records) -> Attributes:
    driven = situations.off_route(cache, states)
    over = np.flatnonzero(driven >= _WRONG_WAY_M)
    return {
        "failure_time_s": round(over[0] / 10, 1) if len(over) else np.nan,
        "excess": float(driven.max()),
        "mechanism": classes.WRONG_LANE,
    }


def _light(name: str, cache: SceneCache, states: Array, scored: Records) -> Attributes:
    return {"detail": scored[f"{name}_light"], "mechanism": classes.RED_LIGHT}


def _lane(name: str, cache: SceneCache, states: Array, scored: Records) -> Attributes:
    return {"mechanism": classes.OFF_CENTRE}


def _progress(name: str, cache: SceneCache, states: Array, scored: Records) -> Attributes:
    own, other = scored["progress_m"], scored["pdm_closed_progress_m"]
    return {"mechanism": classes.of_progress(cache, states, own, other)}


def _comfort(name: str, cache: SceneCache, states: Array, scored: Records) -> Attributes:
    return {
        "detail": scored[f"{name}_quantity"],
        "excess": scored[f"{name}_excess"],
        "mechanism": classes.of_comfort(scored[f"{name}_failure_time_s"]),
    }


_OF: dict[str, Callable[[str, SceneCache, Array, Records], Attributes]] = {
    NC: _contact,
    TTC: _contact,
    DAC: _road,
    DDC: _direction,
    TLC: _light,
    LANE_KEEPING: _lane,
    EP: _progress,
    COMFORT: _comfort,
    HISTORY_COMFORT: _comfort,
}
