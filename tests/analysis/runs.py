"""Run folders as run_pdm_score.py leaves them, made in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent import pdm
from reworld_agent.analysis import Run, RunSettings, open_run
from reworld_agent.core.result_tables import write_parquet
from reworld_agent.evaluation.tables import score_table, write_score_table
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics import columns

PROTOCOL = "pdms_v1"


def constant_velocity(cache: pdm.SceneCache) -> NDArray[np.float64]:
    """Poses [8, 3] straight ahead at the speed of t0."""
    poses = np.zeros((8, 3))
    poses[:, 0] = np.hypot(*cache.ego_state[3:5]) * np.arange(1, 9) * 0.5
    return poses


def where(caches: SceneCaches) -> list[str]:
    """Arguments that say where the scenes lie."""
    return [f"{key}={path}" for key, path in roots(caches).items()]


def roots(caches: SceneCaches) -> dict[str, Path | None]:
    """The same as settings."""
    return {
        "data_root": caches.data_root,
        "maps_root": caches.maps_root,
        "cache_dir": caches.root,
    }


def opened(run: Path, caches: SceneCaches) -> Run:
    """The run, its scenes where the caches say."""
    return open_run(
        RunSettings(
            run=run,
            data_root=caches.data_root,
            maps_root=caches.maps_root,
            cache_dir=caches.root,
        )
    )


def make_run(
    folder: Path,
    caches: SceneCaches,
    poses: dict[str, NDArray[np.float64]],
    protocol: str = PROTOCOL,
    interval_s: float | None = None,
) -> Path:
    """Score poses [8, 3] of each token and write the run's tables; the folder."""
    rows = []
    for token, own in poses.items():
        scored = pdm.score(caches.get(token), own[None], protocol, interval_s=interval_s)
        metrics = {name: float(scored[name][0]) for name in columns(protocol)}
        rows.append({"token": token, "reason": "", **metrics})
    return write_run(folder, pd.DataFrame(rows), poses, caches.data_split, protocol, interval_s)


def write_run(
    folder: Path,
    rows: pd.DataFrame,
    poses: dict[str, NDArray[np.float64]],
    split: str,
    protocol: str = PROTOCOL,
    interval_s: float | None = None,
) -> Path:
    """Write the tables of scored rows (token, reason, metrics) and their poses; the folder."""
    origin: dict[str, Any] = {"protocol": protocol, "agent": "straight", "split": split}
    table = score_table(rows["token"].tolist(), rows, protocol)
    write_score_table(folder, table, origin)
    flat = [own.ravel().tolist() for own in poses.values()]
    trajectories = pd.DataFrame({"token": list(poses), "poses": flat})
    if interval_s is not None:
        trajectories["interval_s"] = interval_s
    write_parquet(folder / "trajectories.parquet", trajectories, origin)
    return folder
