"""One sentence for each failure: what happened, whether the human did better, what would help."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reworld_agent.pdm.scene_cache import N_AGENT_TYPES, TRACK_TYPES

_OBJECTS = {
    "traffic_cone": "traffic cone",
    "czone_sign": "construction sign",
    "generic_object": "object",
}
_CONTACTS = {
    "stopped_track": "which stands",
    "active_front": "active front",
    "active_lateral": "active side, off the road or in several lanes",
}
_PLACES = {
    "roadblock": "road",
    "lane": "lane",
    "lane_connector": "turning lane",
    "intersection": "junction",
    "carpark": "car park",
}
_QUANTITIES = {
    "longitudinal_acceleration": ("longitudinal acceleration", "m/s²"),
    "lateral_acceleration": ("lateral acceleration", "m/s²"),
    "jerk": ("jerk", "m/s³"),
    "longitudinal_jerk": ("longitudinal jerk", "m/s³"),
    "yaw_acceleration": ("yaw acceleration", "rad/s²"),
    "yaw_rate": ("yaw rate", "rad/s"),
}
_LEAST_CLOSING = 0.1  # m/s; slower is not worth a word


def sentence(facts: Mapping[str, Any]) -> str:
    """The sentence of one row of `explain.SCHEMA` (its columns before `sentence`)."""
    parts = [
        f"{facts['metric']} {facts['value']:.2g}: {_WHAT[facts['metric']](facts)}",
        _human(facts["human_fails"]),
        _change(facts),
    ]
    return "; ".join(part for part in parts if part)


def _object(facts: Mapping[str, Any]) -> str:
    kind = facts["object_class"]
    return f"{_OBJECTS.get(kind, kind)} {facts['object_token'][:4]}"


def _closing(facts: Mapping[str, Any]) -> str:
    speed = facts["closing_mps"]
    return f"closing at {speed:.1f} m/s" if speed >= _LEAST_CLOSING else ""


def _listed(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _collision(facts: Mapping[str, Any]) -> str:
    hit = f"hit {_object(facts)} at {facts['failure_time_s']:.1f} s"
    # An object that cannot move costs half of NC; the rest went with one that was hit later.
    later = facts["value"] == 0.0 and facts["object_class"] not in TRACK_TYPES[:N_AGENT_TYPES]
    again = "and a road user after it" if later else ""
    return _listed(hit, _CONTACTS.get(facts["detail"], ""), _closing(facts), again)


def _threat(facts: Mapping[str, Any]) -> str:
    when = f"at {facts['failure_time_s']:.1f} s within 0.9 s of hitting {_object(facts)}"
    return _listed(when, facts["detail"], _closing(facts))


def _off_road(facts: Mapping[str, Any]) -> str:
    corner, kind, time = facts["detail"], facts["near"], facts["failure_time_s"]
    place = _PLACES.get(kind, "road")
    outside = facts["distance_outside_m"]
    far = f", {max(outside, 0.01):.2f} m outside the {place}" if math.isfinite(outside) else ""
    return f"the {corner.replace('_', ' ')} corner left the road at {time:.1f} s{far}"


def _little_progress(facts: Mapping[str, Any]) -> str:
    own, other = facts["progress_m"], facts["pdm_closed_progress_m"]
    return f"got {own:.1f} m along the route in 4 s, PDM-Closed gets {other:.1f} m"


def _discomfort(facts: Mapping[str, Any]) -> str:
    name, unit = _QUANTITIES[facts["detail"]]
    time = facts["failure_time_s"]
    since = f"from {time:.1f} s on" if time >= 0.0 else f"from {-time:.1f} s before the plan on"
    return f"{name} beyond its bound {since}, by up to {facts['excess']:.2g} {unit}"


def _wrong_lane(facts: Mapping[str, Any]) -> str:
    far, time = facts["excess"], facts["failure_time_s"]
    return f"drove {far:.1f} m within a second off the route's lanes, noticed at {time:.1f} s"


def _red_light(facts: Mapping[str, Any]) -> str:
    return f"entered turning lane {facts['detail']} on red at {facts['failure_time_s']:.1f} s"


def _off_centre(facts: Mapping[str, Any]) -> str:
    time = facts["failure_time_s"]
    return f"more than 0.5 m off the lane's centre for 2 s in all, reached at {time:.1f} s"


_WHAT = {
    "NC": _collision,
    "DAC": _off_road,
    "TTC": _threat,
    "EP": _little_progress,
    "Comf": _discomfort,
    "HC": _discomfort,
    "DDC": _wrong_lane,
    "TLC": _red_light,
    "LK": _off_centre,
}


def _human(fails: float) -> str:
    if math.isnan(fails):
        return ""
    return "the human fails too" if fails else "the human would not have"


def _change(facts: Mapping[str, Any]) -> str:
    if not facts["counterfactual"]:
        return f"none of {facts['variants_tried']} small changes passes"
    return f"{facts['counterfactual']} passes"
