"""No at-fault collisions (NC): the first contact with each track decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper
from reworld_agent.pdm.metrics.contacts import (
    annotate_contact,
    closing_text,
    contact_attributes,
    contact_records,
    listed,
    object_text,
)
from reworld_agent.pdm.metrics.definition.metric import (
    BRAKE,
    EARLIER,
    SHIFT,
    SPEED,
    Explainer,
    Failure,
    FailureAnnotation,
    Trace,
)
from reworld_agent.pdm.metrics.raw_columns import Raw
from reworld_agent.pdm.metrics.records import Names, Records, index, padded
from reworld_agent.pdm.scene_cache import N_AGENT_TYPES, TRACK_TYPES, SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y
from reworld_agent.pdm.world.geometry import (
    BEHIND_ANGLE,
    HALF_LENGTH,
    HALF_WIDTH,
    RADIUS,
    bearing,
    boxes_meet,
)
from reworld_agent.pdm.world.margins import ego_corners, nearest_gap, track_gaps
from reworld_agent.pdm.world.scenery import IS_STOPPED, Traffic

STOPPED_EGO_SPEED = 0.05  # m/s
STOPPED_EGO, STOPPED_TRACK, ACTIVE_FRONT, ACTIVE_REAR, ACTIVE_LATERAL = range(5)
COLLISION_TYPES = ("stopped_ego", "stopped_track", "active_front", "active_rear", "active_lateral")
_TYPES = padded(COLLISION_TYPES)
_CONTACTS = {
    "stopped_track": "standing when first seen",  # all that the scorer asks; it may move by now
    "active_front": "active front",
    "active_lateral": "active side, off the road or in several lanes",
}

# Columns of an ego box: centre x, y, cos, sin of the heading, speed.
EGO_X, EGO_Y, EGO_COS, EGO_SIN, EGO_SPEED = range(5)
N_EGO = 5


@helper
def meets(
    ego: NDArray[np.float64],
    t: int,
    shift: float,
    x: float,
    y: float,
    cos: float,
    sin: float,
    half_length: float,
    half_width: float,
) -> bool:
    """Whether the ego box at step `t` of [41, 5], `shift` [m] ahead, meets a track's box.

    A circle test goes first; an absent track is NaN and meets nothing.
    """
    dx = x - ego[t, EGO_X] - shift * ego[t, EGO_COS]
    dy = y - ego[t, EGO_Y] - shift * ego[t, EGO_SIN]
    reach = RADIUS + half_length + half_width
    if not dx * dx + dy * dy <= reach * reach:
        return False
    return boxes_meet(
        dx,
        dy,
        ego[t, EGO_COS],
        ego[t, EGO_SIN],
        HALF_LENGTH,
        HALF_WIDTH,
        cos,
        sin,
        half_length,
        half_width,
    )


@helper
def first_contact(
    pose: NDArray[np.float64],
    k: int,
    half_length: float,
    half_width: float,
    ego: NDArray[np.float64],
) -> int:
    """First step at which the ego [41, 5] meets track `k` of `pose` [T, S, 4], or -1."""
    for t in range(len(ego)):
        x, y, cos, sin = pose[k, t, 0], pose[k, t, 1], pose[k, t, 2], pose[k, t, 3]
        if meets(ego, t, 0.0, x, y, cos, sin, half_length, half_width):
            return t
    return -1


@helper
def collision_type(
    traffic: Traffic, k: int, t: int, ego: NDArray[np.float64], rear: NDArray[np.float64]
) -> int:
    """Type of the contact with track `k` at step `t`.

    Args:
        traffic: all tracks.
        k, t: track and step.
        ego: [41, 5] ego boxes.
        rear: [41, 2] local positions [m] of the rear axle.
    """
    x, y = traffic.pose[k, t, 0], traffic.pose[k, t, 1]
    cos, sin = ego[t, EGO_COS], ego[t, EGO_SIN]
    if ego[t, EGO_SPEED] <= STOPPED_EGO_SPEED:
        return STOPPED_EGO
    if traffic.traits[k, IS_STOPPED]:  # at its first sighting; whether it stands now is not asked
        return STOPPED_TRACK
    if bearing(x - rear[t, X], y - rear[t, Y], cos, sin) > BEHIND_ANGLE:
        return ACTIVE_REAR
    front = boxes_meet(  # the front bumper, a line from corner to corner: a box of no length
        x - ego[t, EGO_X] - HALF_LENGTH * cos,
        y - ego[t, EGO_Y] - HALF_LENGTH * sin,
        cos,
        sin,
        0.0,
        HALF_WIDTH,
        traffic.pose[k, t, 2],
        traffic.pose[k, t, 3],
        traffic.traits[k, 0],
        traffic.traits[k, 1],
    )
    return ACTIVE_FRONT if front else ACTIVE_LATERAL


def records(raw: Raw, names: Names) -> Records:
    """When, with which track, and in which type of collision NC is lost."""
    kind = _TYPES[index(raw["nc_type"])]
    return {**contact_records(raw, names, "nc"), "collision_type": kind}


def _attributes(failure: Failure) -> dict[str, Any]:
    return {"detail": failure.record("collision_type"), **contact_attributes(failure)}


def _sentence(row: Mapping[str, Any]) -> str:
    hit = f"hit {object_text(row)} at {row['failure_time_s']:.1f} s"
    # An object that cannot move costs half of NC; the rest went with one that was hit later.
    later = row["value"] == 0.0 and row["object_class"] not in TRACK_TYPES[:N_AGENT_TYPES]
    again = "and a road user after it" if later else ""
    return listed(hit, _CONTACTS.get(row["detail"], ""), closing_text(row), again)


def _annotate(
    annotation: FailureAnnotation,
    cache: SceneCache,
    states: NDArray[np.float64],
    row: Mapping[str, Any],
) -> FailureAnnotation:
    found = annotate_contact(annotation, cache, row)
    return replace(found, text=f"hit: {found.text}")


def _trace(cache: SceneCache, states: NDArray[np.float64]) -> Trace:
    gaps = track_gaps(cache, ego_corners(states[:, [X, Y, HEADING]]), np.arange(len(states)))
    nearest = nearest_gap(gaps)
    return Trace(nearest, "gap to the nearest object", "m", bound=0.0)


EXPLAINER = Explainer(_attributes, _sentence, (EARLIER, BRAKE, SPEED, SHIFT), _annotate, _trace)
