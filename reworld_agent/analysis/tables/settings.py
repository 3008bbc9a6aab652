"""What every function takes that opens a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.analysis.tables.files import run_tables
from reworld_agent.core.setting_paths import data_folders
from reworld_agent.core.settings import MOST_WORKERS, Settings, setting
from reworld_agent.core.vocabulary import PROTOCOL_NAMES
from reworld_agent.scenes.roots import require_split

_WHERE = "where the run's scenes lie, if not where they were"


@dataclass(frozen=True, kw_only=True)
class RunSettings(Settings):
    """A run's folder, and where its scenes lie."""

    run: Path = setting(
        "output folder of `reworld score`, an agent's folder in it, or a table of scores",
        exists="any",
        positional=True,
    )
    protocol: str | None = setting(
        "which to read of a run of both (the first)", None, choices=PROTOCOL_NAMES
    )
    workers: int | None = setting(
        "processes (one for each core where there is much to do)", None, least=1, cap=MOST_WORKERS
    )
    data_split: str | None = setting("folder of logs below navsim_logs", None, group=_WHERE)
    data_root: Path | None = setting(
        "folder with navsim_logs and sensor_blobs", None, exists="folder", group=_WHERE
    )
    maps_root: Path | None = setting("folder of the maps", None, exists="folder", group=_WHERE)
    cache_dir: Path | None = setting(
        "folder of scene caches", None, writes="folder", shared=True, group=_WHERE
    )
    synthetic_scenes: Path | None = setting(
        "scenes of stage two, synthetic_scene_pickles", None, exists="folder", group=_WHERE
    )

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.run if self.run.is_dir() else self.run.parent

    def check(self) -> None:
        """The split is there."""
        if self.data_split is not None:
            require_split(self.data_split, self.data_root)

    def inputs(self) -> list[tuple[str, Path]]:
        """The run's tables, and its logs and images; not all else in these folders."""
        found = [("run", path) for path in run_tables(self.run)]
        root = self.data_root
        parts = data_folders(root) if root is not None else []
        return [*found, *(("data_root", part) for part in parts if part != root)]
