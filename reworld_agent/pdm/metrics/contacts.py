"""Contacts with another object, as NC and TTC are explained: with whom, and of what kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.definition.metric import Failure, FailureAnnotation
from reworld_agent.pdm.metrics.raw_columns import Raw
from reworld_agent.pdm.metrics.records import Names, Records, index, seconds
from reworld_agent.pdm.metrics.situations import (
    CROSS,
    LANE_CHANGE,
    LEAD,
    ONCOMING,
    STATIC,
    WALKER,
    route_offset,
)
from reworld_agent.pdm.scene_cache import TRACK_TYPES, SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, VX, X, Y
from reworld_agent.pdm.world.geometry import REAR_AXLE_TO_CENTER

Array = NDArray[np.float64]

_VELOCITY_STEPS = 3  # each side of the instant
_STANDS_M = 1.0  # an object that moves less in the whole scene stands
_ALIGNED = math.radians(45.0)
_SAME_LANE_M = 1.5
_ON_ROUTE_M = 1.75  # half a lane
_LEAST_CLOSING = 0.1  # m/s; slower is not worth a word
_OBJECTS = {
    "traffic_cone": "traffic cone",
    "czone_sign": "construction sign",
    "generic_object": "object",
}


@dataclass(frozen=True)
class Encounter:
    """The object of a failure, seen from the simulated ego at that instant.

    Attributes:
        kind: one of `TRACK_TYPES`.
        ahead_m, left_m: its centre from the ego's centre.
        turned_rad: its heading minus the ego's, 0 … π.
        speed_mps: its speed.
        closing_mps: how fast the distance of the centres shrinks.
        stands: it moves less than 1 m in the whole scene.
        beside_route_m: how far its centre lies from the route's centreline.
    """

    kind: str
    ahead_m: float
    left_m: float
    turned_rad: float
    speed_mps: float
    closing_mps: float
    stands: bool
    beside_route_m: float


def encounter(cache: SceneCache, states: Array, track: int, time_s: float) -> Encounter:
    """The ego's relation to a track at `time_s`."""
    step = round(time_s * 10)
    ego, pose = states[step], cache.track_pose[step, track]
    if not np.isfinite(pose).all():  # a threat that is met later than it is noticed
        there = np.flatnonzero(np.isfinite(cache.track_pose[:, track, 0]))
        pose = cache.track_pose[there[np.argmin(np.abs(there - step))], track]
    cos, sin = np.cos(ego[HEADING]), np.sin(ego[HEADING])
    centre = ego[[X, Y]] + REAR_AXLE_TO_CENTER * np.array([cos, sin])
    apart = pose[:2] - centre
    velocity = _velocity(cache, track, step)
    gap = max(float(np.hypot(*apart)), 1e-6)
    relative = ego[VX] * np.array([cos, sin]) - velocity
    path = cache.track_pose[np.isfinite(cache.track_pose[:, track, 0]), track, :2]
    return Encounter(
        kind=TRACK_TYPES[cache.track_type[track]],
        ahead_m=float(apart @ [cos, sin]),
        left_m=float(apart @ [-sin, cos]),
        turned_rad=abs(float(np.angle(np.exp(1j * (pose[2] - ego[HEADING]))))),
        speed_mps=float(np.hypot(*velocity)),
        closing_mps=float(relative @ apart) / gap,
        stands=bool(np.hypot(*np.ptp(path, axis=0)) < _STANDS_M),
        beside_route_m=abs(route_offset(cache, pose[:2])),
    )


def _velocity(cache: SceneCache, track: int, step: int) -> Array:
    """Velocity [2] of a track around a step, global; the logged one where it is seen once."""
    steps = np.arange(max(step - _VELOCITY_STEPS, 0), step + _VELOCITY_STEPS + 1)
    steps = steps[steps < len(cache.track_pose)]
    steps = steps[np.isfinite(cache.track_pose[steps, track, 0])]
    if len(steps) < 2:
        heading = cache.track_heading[track]
        logged: Array = cache.track_speed[track] * np.array([np.cos(heading), np.sin(heading)])
        return logged
    first, last = steps[0], steps[-1]
    moved = cache.track_pose[last, track, :2] - cache.track_pose[first, track, :2]
    velocity: Array = moved / (0.1 * (last - first))
    return velocity


def mechanism(met: Encounter) -> str:
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


def contact_records(raw: Raw, names: Names, metric: str) -> Records:
    """Failure records of NC or TTC (`metric` is `nc` or `ttc`): when, and which track."""
    track = index(raw[f"{metric}_track"])
    return {
        "failure_time_s": seconds(raw[f"{metric}_step"]),
        "track_index": track,
        "track_token": names.token[track],
        "track_class": names.track_class[track],
    }


def contact_attributes(failure: Failure) -> dict[str, Any]:
    """Attributes of a failed NC or TTC, without the `detail`."""
    track, time = int(failure.record("track_index")), failure.record("failure_time_s")
    met = encounter(failure.cache, failure.states, track, time)
    return {
        "object_token": failure.record("track_token"),
        "object_class": failure.record("track_class"),
        "closing_mps": met.closing_mps,
        "mechanism": mechanism(met),
    }


def annotate_contact(
    annotation: FailureAnnotation, cache: SceneCache, row: Mapping[str, Any]
) -> FailureAnnotation:
    """The annotation with the object of a row of failures and its name."""
    track = int(np.flatnonzero(cache.track_token == row["object_token"])[0])
    text = f"{row['object_class'].replace('_', ' ')} {str(row['object_token'])[:4]}"
    return replace(annotation, text=text, track=track)


def object_text(row: Mapping[str, Any]) -> str:
    """The object of a row in a sentence: its class and the beginning of its token."""
    kind = row["object_class"]
    return f"{_OBJECTS.get(kind, kind)} {row['object_token'][:4]}"


def closing_text(row: Mapping[str, Any]) -> str:
    """How fast the object comes nearer; "" where that is not worth a word."""
    speed = row["closing_mps"]
    return f"closing at {speed:.1f} m/s" if speed >= _LEAST_CLOSING else ""


def listed(*parts: str) -> str:
    """The parts that are not empty, with commas."""
    return ", ".join(part for part in parts if part)
