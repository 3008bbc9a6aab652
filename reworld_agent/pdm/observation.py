"""Replay of the logged traffic: boxes seen at 2 Hz → poses at 10 Hz from t0 to t0 + 5 s.

A track is interpolated linearly between its first and its last sighting, gaps bridged, and is
absent outside; a track seen ONCE stands at its place the whole time. Class and size are those of
the first sighting, speed and heading those of the first step at which the track is present.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.cache import N_REPLAY_STEPS
from reworld_agent.pdm.frames import Boxes
from reworld_agent.pdm.geometry import TWO_PI, wrap
from reworld_agent.pdm.kernel import helper, kernel

FRAME_S = 0.5
STEP_S = 0.1
N_FRAMES = 11  # t0 + 0..5 s
N_SCORED_FRAMES = 9  # t0 + 0..4 s
_X, _Y, _HEADING, _VX, _VY = range(5)


class Tracks(NamedTuple):
    """Fields `track_*` of the scene cache; T tracks by first sighting."""

    token: NDArray[np.str_]  # [T]
    kind: NDArray[np.int8]  # [T]
    size: NDArray[np.float64]  # [T, 2] m
    pose: NDArray[np.float64]  # [51, T, 3] NaN where absent
    speed: NDArray[np.float64]  # [T] m/s
    heading: NDArray[np.float64]  # [T] rad
    sightings: NDArray[np.int8]  # [T, 2] first and last frame within 4 s, -1 where none


def replay(frames: list[Boxes]) -> Tracks:
    """Interpolate the tracks of up to 11 frames, the first at t0, 0.5 s apart."""
    index: dict[str, int] = {}
    first: list[tuple[int, int]] = []  # frame and row of the first sighting
    rows: list[NDArray[np.int64]] = []
    for k, frame in enumerate(frames):
        for row, token in enumerate(frame.token):
            if token not in index:
                index[token] = len(first)
                first.append((k, row))
        rows.append(np.array([index[token] for token in frame.token], np.int64))
    seen = np.zeros((len(frames), len(first)), np.bool_)
    state = np.zeros((len(frames), len(first), 5))
    for k, (frame, tracks) in enumerate(zip(frames, rows, strict=True)):
        seen[k, tracks] = True
        state[k, tracks, :_VX] = frame.pose
        state[k, tracks, _VX:] = frame.velocity
    pose = np.full((N_REPLAY_STEPS, len(first), 3), np.nan)
    speed, heading = _interpolate(seen, state, pose)
    return Tracks(
        np.array(list(index), np.str_),
        np.array([frames[k].kind[row] for k, row in first], np.int8),
        np.array([frames[k].size[row] for k, row in first]).reshape(-1, 2),
        pose,
        speed,
        heading,
        _span(seen[:N_SCORED_FRAMES]),
    )


def _span(seen: NDArray[np.bool_]) -> NDArray[np.int8]:
    """[F, T] → [T, 2] first and last frame of each track, -1 where no frame shows it."""
    if not seen.size:
        return np.full((seen.shape[1], 2), -1, np.int8)
    last = len(seen) - 1 - seen[::-1].argmax(axis=0)
    span = np.column_stack([seen.argmax(axis=0), last])
    return np.where(np.any(seen, axis=0)[:, None], span, -1).astype(np.int8)


@helper
def _turn(change: float) -> float:
    """What to add [rad] to a heading that changed by `change`, so that it does not jump."""
    if abs(change) < math.pi:
        return 0.0
    wrapped = (change + math.pi) % TWO_PI - math.pi
    if wrapped == -math.pi and change > 0.0:
        wrapped = math.pi
    return wrapped - change


@kernel
def _interpolate(
    seen: NDArray[np.bool_], state: NDArray[np.float64], pose: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[F, T] sightings and [F, T, 5] states → speeds [T], headings [T], and `pose` [51, T, 3].

    Values are copied one by one: array assignments take numba seconds to compile.
    """
    n_frames, n_tracks = seen.shape
    speed, heading = np.zeros(n_tracks), np.zeros(n_tracks)
    when, knots = np.empty(n_frames), np.empty((n_frames, 5))
    value = np.empty(5)
    for j in range(n_tracks):
        n, turns, before = 0, 0.0, 0.0
        for k in range(n_frames):
            if not seen[k, j]:
                continue
            when[n] = k * FRAME_S
            for i in range(5):
                knots[n, i] = state[k, j, i]
            turns = 0.0 if n == 0 else turns + _turn(knots[n, _HEADING] - before)
            before = knots[n, _HEADING]
            knots[n, _HEADING] += turns
            n += 1
        present = False
        for step in range(N_REPLAY_STEPS):
            if not _between(when, knots, n, step * STEP_S, value):
                continue
            for i in range(_VX):
                pose[step, j, i] = value[i]
            if not present:
                present = True
                heading[j] = value[_HEADING]
                speed[j] = math.hypot(value[_VX], value[_VY])
    return speed, heading


@helper
def _between(
    when: NDArray[np.float64],
    knots: NDArray[np.float64],
    n: int,
    time: float,
    value: NDArray[np.float64],
) -> bool:
    """Linear interpolation of `n` knots at `time` into `value`; False outside their times.

    A single knot holds at any time.
    """
    if n == 1:
        for i in range(5):
            value[i] = knots[0, i]
        return True
    if not when[0] <= time <= when[n - 1]:
        return False
    high = 1
    while high < n - 1 and when[high] < time:
        high += 1
    low = high - 1
    for i in range(5):
        slope = (knots[high, i] - knots[low, i]) / (when[high] - when[low])
        value[i] = slope * (time - when[low]) + knots[low, i]
    value[_HEADING] = wrap(value[_HEADING])
    return True
