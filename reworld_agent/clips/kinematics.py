"""The ego's motion at the frames of a clip: pose, speed, yaw rate, acceleration, command.

Frames: poses are of the rear axle in a global frame (x, y m, heading rad); a clip gets them as
seen from its own first frame (x forward, y left).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.resample import nearest
from reworld_agent.scenes.geometry import relative_poses

Array = NDArray[np.float64]
COMMANDS = ("left", "straight", "right", "unknown")  # NAVSIM's order
LOOK_AHEAD = 20.0  # m
LATERAL = 2.0  # m
_US = 1e-6


@dataclass(frozen=True)
class EgoTrack:
    """Motion of the ego at its own times.

    Attributes:
        stamps: [M] us, ascending.
        poses: [M, 3] x, y (m), heading (rad), global.
        speed: [M] m/s; yaw_rate: [M] rad/s; acceleration: [M] m/s², along the heading.
        command: [M] index into COMMANDS.
    """

    stamps: NDArray[np.int64]
    poses: Array
    speed: Array
    yaw_rate: Array
    acceleration: Array
    command: NDArray[np.int64]


def make_track(
    stamps: NDArray[np.int64],
    poses: Array,
    speed: Array | None = None,
    yaw_rate: Array | None = None,
    acceleration: Array | None = None,
    command: NDArray[np.int64] | None = None,
) -> EgoTrack | None:
    """A track; what is not given is derived from the poses by central differences.

    Rows are sorted by time, and of rows with one timestamp the first stays. None where fewer than
    two rows are left: nothing can be derived from one pose.
    """
    order = np.argsort(stamps, kind="stable")
    order = order[np.concatenate([[True], np.diff(stamps[order]) > 0])] if len(order) else order
    if len(order) < 2:
        return None
    stamps, poses = stamps[order], poses[order].copy()
    poses[:, 2] = np.unwrap(poses[:, 2])
    times = (stamps - stamps[0]) * _US
    if speed is None:
        velocity = np.gradient(poses[:, :2], times, axis=0)
        forward = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1)
        speed = (velocity * forward).sum(axis=1)
    else:
        speed = speed[order]
    turning = np.gradient(poses[:, 2], times) if yaw_rate is None else yaw_rate[order]
    pull = np.gradient(speed, times) if acceleration is None else acceleration[order]
    ahead = driven_command(poses) if command is None else command[order]
    return EgoTrack(stamps, poses, speed, turning, pull, ahead)


def driven_command(poses: Array) -> NDArray[np.int64]:
    """Command [M] from the driven path [M, 3], as NAVSIM derives it from the route.

    The point of the path 20 m ahead lies 2 m or more to the left: left; to the right: right; else
    straight. Unknown where the path ends before.
    """
    steps = np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    target = np.searchsorted(along, along + LOOK_AHEAD)
    found = target < len(poses)
    point = poses[np.minimum(target, len(poses) - 1), :2] - poses[:, :2]
    lateral = -np.sin(poses[:, 2]) * point[:, 0] + np.cos(poses[:, 2]) * point[:, 1]
    command = np.where(lateral >= LATERAL, 0, np.where(lateral <= -LATERAL, 2, 1))
    return np.where(found, command, 3)


def motion_at(track: EgoTrack, stamps: NDArray[np.int64]) -> dict[str, Array | list[str]]:
    """The columns of an index row at the frames' times [T], interpolated linearly.

    Returns:
        x, y (m), heading (rad) seen from the first frame, speed, yaw_rate, acceleration: [T];
        command: T of COMMANDS, at the nearest time.
    """
    clock = (track.stamps - track.stamps[0]) * _US
    wanted = (stamps - track.stamps[0]) * _US
    pose = np.stack([np.interp(wanted, clock, track.poses[:, k]) for k in range(3)], axis=1)
    seen = relative_poses(pose[0].copy(), pose)
    values: dict[str, Array | list[str]] = {
        "x": seen[:, 0],
        "y": seen[:, 1],
        "heading": seen[:, 2],
    }
    for name in ("speed", "yaw_rate", "acceleration"):
        values[name] = np.interp(wanted, clock, getattr(track, name))
    values["command"] = [COMMANDS[track.command[k]] for k in nearest(clock, wanted)]
    return values


def covers(track: EgoTrack, stamps: NDArray[np.int64], slack: float = 0.5) -> bool:
    """Whether the track reaches over these times [us], but for `slack` seconds at either end."""
    margin = slack / _US
    early, late = track.stamps[0] - margin, track.stamps[-1] + margin
    return bool(early <= stamps[0] and stamps[-1] <= late)
