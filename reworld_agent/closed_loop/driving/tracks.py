"""Where everybody else was during a drive, for its recording."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.judging.verdict import Verdict
from reworld_agent.closed_loop.judging.windows import Window
from reworld_agent.closed_loop.replay.stages import StagedWorld
from reworld_agent.closed_loop.replay.world import LogWorld
from reworld_agent.closed_loop.world import World
from reworld_agent.pdm.scene_cache import TRACK_TYPES

Array = NDArray[np.float64]


class Tracks(NamedTuple):
    """K things, as a scene cache has them."""

    token: NDArray[np.str_]  # [K]
    kind: NDArray[np.int8]  # [K]
    size: Array  # [K, 2] length, width (m)
    pose: Array  # [T, K, 3] at 10 Hz, global; NaN where absent

    def within(self, metres: float, states: Array) -> Tracks:
        """Those that are ever so near to the ego [T, 11]."""
        apart = self.pose[..., :2] - states[:, None, :2]
        near = (np.hypot(apart[..., 0], apart[..., 1]) < metres).any(axis=0)
        return Tracks(self.token[near], self.kind[near], self.size[near], self.pose[:, near])


def tracks_of(world: World | LogWorld | StagedWorld, verdict: Verdict) -> Tracks:
    """All that was around the ego of a drive, from its start to its end."""
    if not isinstance(world, World):
        return _of_windows(verdict.windows, world.tick + 1)
    stage = world.stage
    things = stage.things
    poses = np.array([things.now(stage.ticks[k].moment)[0] for k in range(world.tick + 1)])
    poses[..., :2] += stage.origin
    kinds = [TRACK_TYPES.index(str(name)) for name in things.names]
    return Tracks(
        np.array(list(things.tracks), np.str_),
        np.array(kinds, np.int8),
        things.sizes[:, :2],
        poses,
    )


def _of_windows(windows: tuple[Window, ...], ticks: int) -> Tracks:
    """What the scenes of all windows say; where they overlap, the later one."""
    tokens = list(dict.fromkeys(str(name) for own in windows for name in own.cache.track_token))
    place = {name: k for k, name in enumerate(tokens)}
    kind, size = np.zeros(len(tokens), np.int8), np.zeros((len(tokens), 2))
    pose = np.full((ticks, len(tokens), 3), np.nan)
    for own in windows:
        columns = [place[str(name)] for name in own.cache.track_token]
        kind[columns], size[columns] = own.cache.track_type, own.cache.track_size
        last = min(own.start + len(own.states), ticks)
        pose[own.start : last, columns] = own.cache.track_pose[: last - own.start]
    return Tracks(np.array(tokens, np.str_), kind, size, pose)
