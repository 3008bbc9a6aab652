"""A run's folder: scores, poses of each token, and where its scenes lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.analysis.tables.files import ROLLOUTS, TRAJECTORIES
from reworld_agent.analysis.tables.raw_tables import open_table
from reworld_agent.analysis.tables.score_tables import ScoreTable, read_table
from reworld_agent.analysis.tables.settings import RunSettings
from reworld_agent.core.errors import ConfigError, DataError, SceneError
from reworld_agent.core.text import shown
from reworld_agent.core.vocabulary import DRIVE_V1, PDMS_V1
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics import short_name
from reworld_agent.pdm.poses import INTERVAL, intervals_of, pose_fault
from reworld_agent.scenes.splits import resolve_split


@dataclass(frozen=True)
class Run:
    """A run's tables.

    Attributes:
        table: the scores.
        poses: index token, flat arrays of three numbers a pose (m, m, rad; ego frame).
        intervals: seconds between the poses of a token, of those that have an own interval.
        caches: where its scenes lie.
    """

    table: ScoreTable
    poses: pd.Series
    caches: SceneCaches
    intervals: Mapping[str, float] = field(default_factory=dict)

    def plan(self, token: str) -> NDArray[np.float64]:
        """Poses [L, 3] of one scene, `intervals` apart.

        Raises:
            SceneError: the run has no trajectory of it, or one that cannot be driven.
        """
        if token not in self.poses.index:
            example = f"; tokens look like {self.poses.index[0]}" if len(self.poses) else ""
            raise SceneError(
                f"token {token} has no trajectory in this run", f"check the token{example}"
            )
        flat = np.asarray(self.poses[token], np.float64)
        fault = pose_fault(flat, self.intervals.get(token))
        if fault:
            raise SceneError(f"token {token}: {fault}", "plan this scene again")
        return flat.reshape(-1, 3)

    def scores(self, token: str) -> dict[str, float]:
        """The scene's row of the table by short names; empty where it has none."""
        frame = self.table.frame
        if token not in frame.index:
            return {}
        values = frame.loc[token].to_numpy(np.float64)
        return {short_name(str(name)): float(x) for name, x in zip(frame, values, strict=True)}

    def alone(self, token: str) -> Run:
        """The run with one scene: what a worker process needs, and no more."""
        kept = self.poses.loc[self.poses.index == token]
        own = {name: value for name, value in self.intervals.items() if name == token}
        frame = self.table.frame
        table = replace(self.table, frame=frame.loc[frame.index == token])
        return replace(self, poses=kept, intervals=own, table=table)


def open_run(settings: RunSettings, scenes: SceneCaches | None = None) -> Run:
    """Read a run's tables.

    Args:
        settings: which run, and where its scenes lie.
        scenes: another run's, in which this one is shown; None for its own.

    Raises:
        DataError: a table is missing or damaged, has no column of a metric that is explained, or is
            of drives, whose recordings are missing.
        ConfigError: the protocol or the split is not known.
    """
    asked = settings.protocol
    table = read_table(settings.run, of_both=asked or PDMS_V1)
    if asked and asked != table.protocol.name:
        raise ConfigError(
            f"{shown(table.path)} is scored by {table.protocol.name}, not by {asked}",
            f"leave protocol={asked} out, or score the trajectories again",
        )
    if table.protocol.name == DRIVE_V1:
        raise DataError(
            f"{shown(table.path)}: drives, but no recording of one lies beside it in {ROLLOUTS}",
            "name a folder of `reworld drive` with its recordings, or drive again",
        )
    missing = [short_name(name) for name in table.protocol.explained if name not in table.frame]
    if missing:
        raise DataError(
            f"{shown(table.path)}: no column for {', '.join(missing)}",
            "score the run again with this version",
        )
    poses, intervals = _poses(table.path.parent / TRAJECTORIES)
    return Run(table, poses, scenes or find_scenes(table, settings), intervals)


def _poses(path: Path) -> tuple[pd.Series, dict[str, float]]:
    if not path.is_file():
        raise DataError(
            f"{shown(path)}: no such file; the scores alone do not say where the ego drove",
            "name the output folder of `reworld score`",
        )
    file = open_table(path)
    names = ["token", "poses", *({INTERVAL} & set(file.columns))]
    table = file.read(names).set_index("token")
    poses = table["poses"]
    if poses.index.has_duplicates:
        twice = poses.index[poses.index.duplicated()][0]
        raise DataError(
            f"{shown(path)}: several trajectories of one scene, first token {twice}",
            "keep one candidate of each scene",
        )
    own = zip(poses.index, intervals_of(table.get(INTERVAL), len(table)), strict=True)
    return poses, {str(token): value for token, value in own if value is not None}


def find_scenes(table: ScoreTable, settings: RunSettings) -> SceneCaches:
    """Where the scenes of a table lie; raises ConfigError where that is not known."""
    split = settings.data_split or table.provenance.get("split")
    if not split:
        raise ConfigError(f"{shown(table.path)} does not name its split", "add data_split=NAME")
    data, maps = settings.data_root, settings.maps_root
    if data is None or maps is None:
        roots = resolve_split(str(split), ())
        data, maps = data or roots.data_root, maps or roots.maps_root
    return SceneCaches(data, maps, str(split), settings.cache_dir, settings.synthetic_scenes)
