"""The class of a failure: what kind of situation the planner did not master.

`mechanism` names the situation from geometry alone; `failure_class` puts it under `reference
ambiguity` where the logged human fails the same metric, because then the reference itself (a box
that overlaps, a kerb drawn too wide) may be what fails.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.analysis.explanation.situations import (
    Encounter,
    gap_ahead,
    in_junction,
    route_offset,
    route_turn,
)
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.bicycle import X, Y

LEAD, CROSS, ONCOMING = "lead vehicle", "cross traffic", "oncoming"
WALKER, STATIC, LANE_CHANGE = "vulnerable road user", "static object", "lane change"
CURVE, JUNCTION, DRIFT = "kerb on curve", "junction overrun", "drift off a straight road"
STANDSTILL, SLOW, OFF_ROUTE = "standstill", "too slow", "off the route"
HARSH_START, HARSH, HARSH_PAST = "harsh start", "harsh driving", "rough logged past"
WRONG_LANE, RED_LIGHT, OFF_CENTRE = "off the route's lanes", "red light", "off the lane's centre"
AMBIGUOUS = "reference ambiguity"

_ALIGNED = math.radians(45.0)
_SAME_LANE_M = 1.5
_ON_ROUTE_M = 1.75  # half a lane
_BEND_RAD = math.radians(6.0)
_LANE_CHANGE_M = 1.5
_START_S = 0.5
_FILTER_S = 0.7  # half the window of the widest filter
_BLOCKED_M = 12.0
_STANDSTILL_M = 1.0
_ON_THE_WAY = 0.8


def of_contact(met: Encounter) -> str:
    """Mechanism of a collision or threat (NC, TTC).

    Same direction within 45° and at most 1.5 m beside: lead vehicle; farther beside: lane change
    (of either); 135° or more: oncoming; else cross traffic. A vehicle that stands all the time
    is a lead vehicle only on the route and in the ego's direction, else (parked) a static object.
    """
    if met.kind in ("pedestrian", "bicycle"):
        return WALKER
    in_line = met.turned_rad < _ALIGNED and abs(met.left_m) <= _SAME_LANE_M and met.ahead_m > 0.0
    parked = met.stands and not (in_line and met.beside_route_m <= _ON_ROUTE_M)
    if met.kind != "vehicle" or parked:
        return STATIC
    if in_line:
        return LEAD
    if met.turned_rad < _ALIGNED:
        return LANE_CHANGE
    return ONCOMING if met.turned_rad > math.pi - _ALIGNED else CROSS


def of_road(
    cache: SceneCache, states: NDArray[np.float64], time_s: float, polygon_kind: str
) -> str:
    """Mechanism of leaving the road (DAC) at `time_s` of simulated states [41, 11].

    In or beside an intersection: junction overrun; where the route turned by 6° or more: kerb on
    curve; on a straight, a drive that ends 1.5 m or more beside its line: lane change; else drift.
    """
    place = states[round(time_s * 10), [X, Y]]
    if polygon_kind == "intersection" or in_junction(cache, place):
        return JUNCTION
    if route_turn(cache, states[0, [X, Y]], place) > _BEND_RAD:
        return CURVE
    moved = route_offset(cache, states[-1, [X, Y]]) - route_offset(cache, states[0, [X, Y]])
    return LANE_CHANGE if abs(moved) > _LANE_CHANGE_M else DRIFT


def of_progress(
    cache: SceneCache, states: NDArray[np.float64], progress_m: float, reference_m: float
) -> str:
    """Mechanism of little progress (EP)."""
    driven = float(np.hypot(*np.diff(states[:, [X, Y]], axis=0).T).sum())
    if driven > _ON_THE_WAY * reference_m and progress_m < _ON_THE_WAY * driven:
        return OFF_ROUTE
    if gap_ahead(cache, states) < _BLOCKED_M:
        return LEAD
    return STANDSTILL if driven < _STANDSTILL_M else SLOW


def of_comfort(time_s: float) -> str:
    """Mechanism of discomfort: in the first half second the plan does not fit the ego's state; more
    than 0.7 s before it (EPDMS looks at the past too) the filter has not seen the plan yet."""
    if time_s < -_FILTER_S:
        return HARSH_PAST
    return HARSH_START if time_s <= _START_S else HARSH


def failure_class(mechanism: str, human_fails: float) -> str:
    """The class that is counted; `human_fails` is 1, 0, or NaN where it is not known."""
    return AMBIGUOUS if human_fails == 1.0 else mechanism
