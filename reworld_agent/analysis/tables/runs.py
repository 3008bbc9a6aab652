"""A run's folder: scores, poses of each token, and where its scenes lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.analysis.tables.protocols import PDMS_V1, PROTOCOLS, SHORT
from reworld_agent.analysis.tables.raw_tables import open_table
from reworld_agent.analysis.tables.score_tables import ScoreTable, read_table
from reworld_agent.core.arguments import Words
from reworld_agent.core.errors import ConfigError, DataError, SceneError
from reworld_agent.core.text import shown
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.poses import pose_fault
from reworld_agent.scenes.splits import resolve_split

WHERE = ("data_root", "maps_root", "data_split", "cache_dir", "protocol")
"""Words that `open_run` reads."""

WHERE_HELP = f"""\
  data_root=DIR, maps_root=DIR, data_split=NAME
                    where the run's scenes lie, if not where they were
  cache_dir=DIR     folder of scene caches
  protocol=NAME     {" | ".join(PROTOCOLS)}; which to read of a run of both ({PDMS_V1.name})"""


@dataclass(frozen=True)
class Run:
    """A run's tables.

    Attributes:
        table: the scores.
        poses: index token, flat arrays of 24 or 120 numbers (m, m, rad; ego frame).
        caches: where its scenes lie.
    """

    table: ScoreTable
    poses: pd.Series
    caches: SceneCaches

    def plan(self, token: str) -> NDArray[np.float64]:
        """Poses [8 or 40, 3] of one scene.

        Raises:
            SceneError: the run has no trajectory of it, or one that cannot be driven.
        """
        if token not in self.poses.index:
            example = f"; tokens look like {self.poses.index[0]}" if len(self.poses) else ""
            raise SceneError(
                f"token {token} has no trajectory in this run", f"check the token{example}"
            )
        flat = np.asarray(self.poses[token], np.float64)
        fault = pose_fault(flat)
        if fault:
            raise SceneError(f"token {token}: {fault}", "plan this scene again")
        return flat.reshape(-1, 3)

    def scores(self, token: str) -> dict[str, float]:
        """The scene's row of the table by short names; empty where it has none."""
        frame = self.table.frame
        if token not in frame.index:
            return {}
        values = frame.loc[token].to_numpy(np.float64)
        return {SHORT[str(name)]: float(x) for name, x in zip(frame, values, strict=True)}


def open_run(folder: Path, words: Words | None = None) -> Run:
    """Read a run's tables.

    Args:
        folder: output folder of run_pdm_score.py, or an agent's folder in it.
        words: settings of `WHERE`; none of them is needed where the data lie as they did.

    Raises:
        DataError: a table is missing or damaged, or has no column of a metric that is explained.
        ConfigError: the protocol or the split is not known.
    """
    words = words or Words((), {})
    asked = words.choice("protocol", tuple(PROTOCOLS))
    table = read_table(folder, of_both=asked or PDMS_V1.name)
    if asked and asked != table.protocol.name:
        raise ConfigError(
            f"{shown(table.path)} is scored by {table.protocol.name}, not by {asked}",
            f"leave protocol={asked} out, or score the trajectories again",
        )
    missing = [SHORT[name] for name in table.protocol.explained if name not in table.frame]
    if missing:
        raise DataError(
            f"{shown(table.path)}: no column for {', '.join(missing)}",
            "score the run again with this version",
        )
    return Run(table, _poses(table.path.parent / "trajectories.parquet"), find_scenes(table, words))


def _poses(path: Path) -> pd.Series:
    if not path.is_file():
        raise DataError(
            f"{shown(path)}: no such file; the scores alone do not say where the ego drove",
            "name the output folder of run_pdm_score.py",
        )
    poses = open_table(path).read(["token", "poses"]).set_index("token")["poses"]
    if poses.index.has_duplicates:
        twice = poses.index[poses.index.duplicated()][0]
        raise DataError(
            f"{shown(path)}: several trajectories of one scene, first token {twice}",
            "keep one candidate of each scene",
        )
    return poses


def find_scenes(table: ScoreTable, words: Words) -> SceneCaches:
    """Where the scenes of a table lie; raises ConfigError, DataError where that is not known."""
    split = words.settings.get("data_split") or table.provenance.get("split")
    if not split:
        raise ConfigError(f"{shown(table.path)} does not name its split", "say data_split=NAME")
    data, maps = words.path("data_root"), words.path("maps_root")
    if data is None or maps is None:
        roots = resolve_split(str(split), ())
        data, maps = data or roots.data_root, maps or roots.maps_root
    return SceneCaches(data, maps, str(split), words.path("cache_dir"))
