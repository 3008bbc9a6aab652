"""A scene made by hand: a straight road of two lanes, the ego in the right one at 8 m/s.

Everything is placed relative to the ego pose `POSE`, so that a scene can be moved as a whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import INTERSECTION, LANE, ROADBLOCK, TRACK_TYPES, SceneCache
from reworld_agent.pdm.simulate.sampling import sample_times_us

POSE = (664_430.25, 3_997_650.75, 0.3)
SPEED = 8.0
TIME_US = 1_621_000_000_123_456
Box = tuple[str, float, float, float, float]  # class, x, y, heading, speed along x


def moved(xy: NDArray[np.float64], pose: tuple[float, float, float]) -> NDArray[np.float64]:
    """Points [n, 2] of the ego frame in the global frame."""
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    return xy @ np.array([[cos, sin], [-sin, cos]]) + np.array(pose[:2])


def rectangle(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    """Closed ring [5, 2]."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])


def scene(
    boxes: dict[str, Box] | None = None,
    pose: tuple[float, float, float] = POSE,
    speed: float = SPEED,
    polygons: list[tuple[int, bool, NDArray[np.float64]]] | None = None,
) -> SceneCache:
    """The scene with some boxes (4.5 × 2 m, at t0; they move along their heading)."""
    boxes = boxes or {}
    polygons = polygons if polygons is not None else road()
    rings = [moved(ring, pose) for _, _, ring in polygons]
    lengths = np.array([len(ring) for ring in rings], np.int32)
    time = np.arange(51) * 0.1
    tracks = np.empty((51, len(boxes), 3))
    for k, (_, x, y, heading, v) in enumerate(boxes.values()):
        along = np.stack([x + v * time * np.cos(heading), y + v * time * np.sin(heading)], axis=1)
        tracks[:, k, :2], tracks[:, k, 2] = moved(along, pose), heading + pose[2]
    since = (sample_times_us(TIME_US) - TIME_US) * 1e-6
    closed = moved(np.stack([speed * since, 0 * since], axis=1), pose)
    line = moved(np.stack([np.arange(-20.0, 150.0), np.zeros(170)], axis=1), pose)
    return SceneCache(
        token="0123456789abcdef",
        log_name="log",
        map_name="us-ma-boston",
        time_us=TIME_US,
        ego_state=np.array([*pose, speed, *np.zeros(7)]),
        track_token=np.array(list(boxes), np.str_),
        track_type=np.array([TRACK_TYPES.index(b[0]) for b in boxes.values()], np.int8),
        track_size=np.array([[4.5, 2.0]] * len(boxes)).reshape(-1, 2),
        track_pose=tracks,
        track_speed=np.array([abs(b[4]) for b in boxes.values()]),
        track_heading=np.array([b[3] + pose[2] for b in boxes.values()]),
        polygon_kind=np.array([kind for kind, _, _ in polygons], np.int8),
        polygon_id=np.array([str(i) for i in range(len(polygons))], np.str_),
        polygon_on_route=np.array([on for _, on, _ in polygons], np.bool_),
        ring_xy=np.concatenate([*rings, np.empty((0, 2))]),
        ring_start=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        polygon_ring_start=np.arange(len(polygons) + 1, dtype=np.int32),
        centerline=np.column_stack([line, np.full(len(line), pose[2])]),
        pdm_closed_poses=np.column_stack([closed, np.full(41, pose[2])]),
        human_poses=straight(speed)[0],
        driving_command=1,
    )


def road() -> list[tuple[int, bool, NDArray[np.float64]]]:
    """Roadblock with the ego's lane and, to its left, one off the route; far ahead a crossing."""
    return [
        (ROADBLOCK, False, rectangle(-30, -1.75, 150, 5.25)),
        (LANE, True, rectangle(-30, -1.75, 150, 1.75)),
        (LANE, False, rectangle(-30, 1.75, 150, 5.25)),
        (INTERSECTION, False, rectangle(150, -20, 180, 20)),
    ]


def straight(*speeds: float) -> NDArray[np.float64]:
    """Candidates [N, 8, 3] straight ahead at constant speeds [m/s]."""
    time = np.arange(1, 9) * 0.5
    poses = np.zeros((len(speeds), 8, 3))
    poses[..., 0] = np.array(speeds)[:, None] * time
    return poses


def braking(deceleration: float, speed: float = SPEED) -> NDArray[np.float64]:
    """One candidate [1, 8, 3] that brakes from `speed` until it stands."""
    time = np.minimum(np.arange(1, 9) * 0.5, speed / deceleration)
    poses = np.zeros((1, 8, 3))
    poses[0, :, 0] = speed * time - 0.5 * deceleration * time**2
    return poses


def sideways(offset: float, speed: float = SPEED) -> NDArray[np.float64]:
    """One candidate [1, 8, 3] that moves `offset` [m] to the left within 4 s."""
    share = np.arange(1, 9) / 8.0
    smooth = share**2 * (3.0 - 2.0 * share)
    slope = 6.0 * share * (1.0 - share) * offset / (4.0 * speed)
    return np.stack([speed * 4.0 * share, offset * smooth, np.arctan(slope)], axis=1)[None]


def columns(result: dict[str, Any], *names: str) -> list[float]:
    """First row of some columns."""
    return [float(result[name][0]) for name in names]
