"""Time to collision (TTC): the ego, driven on straight for 0.9 s, meets nothing ahead of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper
from reworld_agent.pdm.metrics.collision import EGO_SPEED, meets
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
from reworld_agent.pdm.scene_cache import N_STEPS, SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, VX, VY, X, Y
from reworld_agent.pdm.world.geometry import (
    AHEAD_ANGLE,
    BEHIND_ANGLE,
    HALF_LENGTH,
    HALF_WIDTH,
    REAR_AXLE_TO_CENTER,
    bearing,
    box_meets_box,
)
from reworld_agent.pdm.world.margins import ego_corners, track_gaps

N_PROJECTIONS = 4
PROJECTION_STEPS = 3  # of 0.1 s between projections
PROJECTION_S = 0.3
HORIZON_S = 0.9  # nuPlan means 1 s: np.arange(0, 10, 3) ends there
_MIN_SPEED = 5e-3  # m/s
LAST_STEP_V1 = N_STEPS - 1  # the replayed traffic reaches 0.9 s farther
LAST_STEP_V2 = 31  # the replay of v2.2 ends at 4 s, 0.9 s after it
AHEAD, BESIDE, BEHIND = range(3)
SIDES = ("ahead", "beside", "behind")
_SIDES = padded(SIDES)


@helper
def first_threat(
    pose: NDArray[np.float64],
    k: int,
    half_length: float,
    half_width: float,
    ego: NDArray[np.float64],
    last_step: int,
) -> tuple[int, int]:
    """First step and projection at which the projected ego [41, 5] meets track `k`, or (-1, -1)."""
    for t in range(last_step + 1):
        speed = ego[t, EGO_SPEED]
        if speed < _MIN_SPEED:  # a standing ego threatens nobody, and mutes nobody
            continue
        for i in range(N_PROJECTIONS):
            s = t + i * PROJECTION_STEPS
            x, y, cos, sin = pose[k, s, 0], pose[k, s, 1], pose[k, s, 2], pose[k, s, 3]
            shift = speed * (i * PROJECTION_S)
            if meets(ego, t, shift, x, y, cos, sin, half_length, half_width):
                return t, i
    return -1, -1


@helper
def side(x: float, y: float, cos: float, sin: float) -> int:
    """Where a point lies from the rear axle: AHEAD, BESIDE or BEHIND.

    Args:
        x, y: the point minus the rear axle [m].
        cos, sin: the ego's heading.
    """
    angle = bearing(x, y, cos, sin)
    if angle < AHEAD_ANGLE:
        return AHEAD
    return BEHIND if angle > BEHIND_ANGLE else BESIDE


def records(raw: Raw, names: Names) -> Records:
    """When, to which track, and where that lies TTC is lost."""
    return {**contact_records(raw, names, "ttc"), "side": _SIDES[index(raw["ttc_side"])]}


def _attributes(failure: Failure) -> dict[str, Any]:
    return {"detail": failure.record("side"), **contact_attributes(failure)}


def _sentence(row: Mapping[str, Any]) -> str:
    when = f"at {row['failure_time_s']:.1f} s within {HORIZON_S} s of hitting {object_text(row)}"
    return listed(when, row["detail"], closing_text(row))


def _annotate(
    annotation: FailureAnnotation,
    cache: SceneCache,
    states: NDArray[np.float64],
    row: Mapping[str, Any],
) -> FailureAnnotation:
    found = annotate_contact(annotation, cache, row)
    assert found.track is not None
    steps, ahead_m = _projection(cache, states, found.track, found.step)
    text = f"in {steps / 10:.1f} s: {found.text}" if steps else found.text
    return replace(found, text=text, ahead_steps=steps, ahead_m=ahead_m)


def _projection(
    cache: SceneCache, states: NDArray[np.float64], track: int, step: int
) -> tuple[int, float]:
    """When (steps) and where (m ahead) the ego, driven straight on, first meets the object."""
    x, y, heading = states[step, [X, Y, HEADING]].tolist()
    cos, sin, speed = math.cos(heading), math.sin(heading), math.hypot(*states[step, [VX, VY]])
    length, width = (cache.track_size[track] / 2.0).tolist()
    for i in range(N_PROJECTIONS):
        later = min(step + i * PROJECTION_STEPS, len(cache.track_pose) - 1)
        other_x, other_y, turn = cache.track_pose[later, track].tolist()
        ahead_m = speed * i * PROJECTION_S
        dx = other_x - x - (REAR_AXLE_TO_CENTER + ahead_m) * cos
        dy = other_y - y - (REAR_AXLE_TO_CENTER + ahead_m) * sin
        other = (math.cos(turn), math.sin(turn), length, width)
        # an absent object is NaN, and meets nothing only by this question
        if math.isfinite(dx) and box_meets_box(dx, dy, cos, sin, HALF_LENGTH, HALF_WIDTH, *other):
            return later - step, ahead_m
    return 0, 0.0


def _trace(cache: SceneCache, states: NDArray[np.float64]) -> Trace:
    steps, speed = np.arange(len(states)), np.hypot(states[:, VX], states[:, VY])
    values = np.full(len(states), N_PROJECTIONS * PROJECTION_S)
    for i in reversed(range(N_PROJECTIONS)):
        later = np.minimum(steps + i * PROJECTION_STEPS, len(cache.track_pose) - 1)
        ahead = ego_corners(states[:, [X, Y, HEADING]], speed * i * PROJECTION_S)
        met = (track_gaps(cache, ahead, later) <= 0.0).any(axis=1) & (speed >= _MIN_SPEED)
        values[met] = i * PROJECTION_S
    return Trace(values, "time to contact if driven straight on", "s", bound=HORIZON_S)


EXPLAINER = Explainer(_attributes, _sentence, (EARLIER, BRAKE, SPEED, SHIFT), _annotate, _trace)
