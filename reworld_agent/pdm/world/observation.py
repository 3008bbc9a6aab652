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

from reworld_agent.pdm.scene_cache import N_REPLAY_STEPS
from reworld_agent.pdm.world.frames import Boxes
from reworld_agent.pdm.world.geometry import TWO_PI

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
    pose, speed, heading = _interpolate(seen, state)
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


def _turn(change: NDArray[np.float64]) -> NDArray[np.float64]:
    """What to add [rad] to headings that changed by `change`, so that they do not jump."""
    wrapped = (change + math.pi) % TWO_PI - math.pi
    wrapped = np.where((wrapped == -math.pi) & (change > 0.0), math.pi, wrapped)
    return np.where(np.abs(change) < math.pi, 0.0, wrapped - change)


def _interpolate(
    seen: NDArray[np.bool_], state: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """[F, T] sightings and [F, T, 5] states → poses [51, T, 3], speeds [T], headings [T]."""
    values = _sampled(seen, _unwrapped(seen, state))
    first = np.argmax(~np.isnan(values[..., _X]), axis=0)
    onset = values[first, np.arange(len(first))]
    speed = np.hypot(onset[:, _VX], onset[:, _VY])
    return values[..., :_VX].copy(), speed, onset[:, _HEADING].copy()


def _unwrapped(seen: NDArray[np.bool_], state: NDArray[np.float64]) -> NDArray[np.float64]:
    """The states with headings that do not jump from one sighting to the next."""
    knots = state.copy()
    turns, before = np.zeros(seen.shape[1]), np.zeros(seen.shape[1])
    known = np.zeros(seen.shape[1], np.bool_)
    for k, now in enumerate(seen):
        change = state[k, :, _HEADING] - before
        turns = np.where(now & known, turns + _turn(change), turns)
        before = np.where(now, state[k, :, _HEADING], before)
        knots[k, :, _HEADING] += turns
        known |= now
    return knots


def _sampled(seen: NDArray[np.bool_], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation of [F, T, 5] between sightings: [51, T, 5], NaN where absent.

    A single sighting holds at any time.
    """
    n_frames, n_tracks = seen.shape
    frame, track = np.arange(n_frames)[:, None], np.arange(n_tracks)
    when, time = np.arange(n_frames) * FRAME_S, np.arange(N_REPLAY_STEPS) * STEP_S
    first, last = seen.argmax(axis=0), n_frames - 1 - seen[::-1].argmax(axis=0)
    after = np.where(seen & (frame > first), frame, n_frames)
    after = np.minimum.accumulate(after[::-1])[::-1]  # the next sighting, the first one aside
    before = np.maximum.accumulate(np.where(seen, frame, -1))
    upper = np.minimum(np.searchsorted(when, time), n_frames - 1)
    high = np.minimum(after[upper], last)
    low = np.where(high > 0, before[high - 1, track], 0)
    low_knot, high_knot = knots[low, track], knots[high, track]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (high_knot - low_knot) / (when[high] - when[low])[..., None]
        values: NDArray[np.float64] = slope * (time[:, None] - when[low])[..., None] + low_knot
    outside = np.abs(values[..., _HEADING]) > math.pi
    turned = values[outside, _HEADING]
    values[outside, _HEADING] = np.arctan2(np.sin(turned), np.cos(turned))
    absent = (time[:, None] < when[first]) | (time[:, None] > when[last])
    values[absent] = np.nan
    # What is seen once stands there all the time, also before and after it was seen.
    once = first == last
    values[:, once] = knots[first[once], track[once]]
    return values
