"""Where and with what a plan fails: the instant, the object, the corner, the projected box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from reworld_agent.pdm.metrics.drivable_area import CORNERS
from reworld_agent.pdm.metrics.ttc import N_PROJECTIONS, PROJECTION_S, PROJECTION_STEPS
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, VX, VY, X, Y
from reworld_agent.pdm.world.geometry import LENGTH, REAR_AXLE_TO_CENTER, WIDTH

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FailureAnnotation:
    """A failure in a picture.

    Attributes:
        metric: short name.
        step: instant in steps of 0.1 s.
        text: what is written at the object or corner; "" for nothing.
        track: number of the object in the scene cache, or None.
        ahead_steps: how much later (0.1 s) the projected ego meets the object (TTC).
        ahead_m: how far the projected ego has driven on until then (TTC).
        point: [2] corner that left the road, ego frame (m), or None.
    """

    metric: str
    step: int
    text: str = ""
    track: int | None = None
    ahead_steps: int = 0
    ahead_m: float = 0.0
    point: Array | None = None


def to_ego(points: Array, ego: Array) -> Array:
    """Global x, y [..., 2] (m) to the ego frame of a pose (x, y, heading): x forward, y left."""
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    delta = points - ego[:2]
    return np.stack(
        [delta[..., 0] * cos + delta[..., 1] * sin, delta[..., 1] * cos - delta[..., 0] * sin], -1
    )


def poses_to_ego(poses: Array, ego: Array) -> Array:
    """Global poses [..., 3] to the ego frame of a pose."""
    heading = poses[..., 2:] - ego[2]
    return np.concatenate([to_ego(poses[..., :2], ego), heading], axis=-1)


def box_corners(pose: Array, length: float, width: float) -> Array:
    """Corners [4, 2] of a box centred at a pose (x, y, heading), sizes in m, in the order of
    `drivable_area.CORNERS`: front left, rear left, rear right, front right."""
    forward = np.array([np.cos(pose[2]), np.sin(pose[2])]) * length / 2
    left = np.array([-np.sin(pose[2]), np.cos(pose[2])]) * width / 2
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return np.stack([pose[:2] + a * forward + b * left for a, b in signs])


def ego_box(pose: Array, ahead_m: float = 0.0) -> Array:
    """Corners [4, 2] of the ego at a rear-axle pose, driven straight on by `ahead_m`."""
    shift = REAR_AXLE_TO_CENTER + ahead_m
    centre = pose[:2] + shift * np.array([np.cos(pose[2]), np.sin(pose[2])])
    return box_corners(np.array([*centre, pose[2]]), LENGTH, WIDTH)


def track_box(cache: SceneCache, track: int, step: int) -> Array:
    """Corners [4, 2] of an object in the ego frame of t0; NaN where it is absent."""
    pose = poses_to_ego(cache.track_pose[step, track], cache.ego_state[:3])
    length, width = cache.track_size[track].tolist()
    return box_corners(pose, length, width)


def annotation_of(cache: SceneCache, states: Array, row: Mapping[str, Any]) -> FailureAnnotation:
    """How one failure is annotated in pictures.

    Args:
        cache: the scene.
        states: [41, 11] simulated drive, global.
        row: of `explain.explain_scene`.
    """
    metric, time = str(row["metric"]), float(row["failure_time_s"])
    step = int(np.clip(np.nan_to_num(round(time * 10, 3), nan=40.0), 0, 40))
    if metric in ("NC", "TTC"):
        track = int(np.flatnonzero(cache.track_token == row["object_token"])[0])
        text = f"{row['object_class'].replace('_', ' ')} {str(row['object_token'])[:4]}"
        if metric == "NC":
            return FailureAnnotation(metric, step, f"hit: {text}", track)
        steps, metres = _projection(cache, states, track, step)
        text = f"in {steps / 10:.1f} s: {text}" if steps else text
        return FailureAnnotation(metric, step, text, track, steps, metres)
    if metric == "DAC":
        pose = poses_to_ego(states[step, [X, Y, HEADING]], cache.ego_state[:3])
        corner = ego_box(pose)[CORNERS.index(str(row["detail"]))]
        return FailureAnnotation(
            metric, step, f"{str(row['detail']).replace('_', ' ')} corner", point=corner
        )
    return FailureAnnotation(metric, step)


def _projection(cache: SceneCache, states: Array, track: int, step: int) -> tuple[int, float]:
    """When (steps) and where (m ahead) the ego, driven straight on, first meets the object."""
    pose = poses_to_ego(states[step, [X, Y, HEADING]], cache.ego_state[:3])
    speed = float(np.hypot(*states[step, [VX, VY]]))
    for i in range(N_PROJECTIONS):
        later = min(step + i * PROJECTION_STEPS, len(cache.track_pose) - 1)
        other = track_box(cache, track, later)
        ahead = speed * i * PROJECTION_S
        if np.isfinite(other).all() and Polygon(ego_box(pose, ahead)).intersects(Polygon(other)):
            return later - step, ahead
    return 0, 0.0
