"""Scores of a file of trajectories of any planner: rows in, the same rows with their scores out."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd

from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import blas_name, code_version
from reworld_agent.core.result_tables import read_frame, write_with_twin
from reworld_agent.core.shards import PartStore, remove_stores
from reworld_agent.evaluation.file_settings import ScoreFileSettings
from reworld_agent.evaluation.scoring import ROW_KEYS, score_trajectories
from reworld_agent.evaluation.two_stage import (
    Staged,
    format_staged,
    groups_of,
    read_mapping,
    staged,
)
from reworld_agent.pdm.cache_io.folder import SceneCaches, code_digest
from reworld_agent.pdm.golden.finding import require_trust
from reworld_agent.pdm.metrics import columns
from reworld_agent.pdm.poses import INTERVAL, intervals_of, looks_like_degrees
from reworld_agent.scenes.splits import resolve_split

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileScores:
    """Scores of a file.

    Attributes:
        settings: what was asked for.
        rows: the written table: token, candidate, valid, reason, the metrics, progress_m,
            pdm_closed_progress_m and, with `explain`, the failure records.
        stages: both stages of NAVSIM v2 put together, where they are asked for.
    """

    settings: ScoreFileSettings
    rows: pd.DataFrame
    stages: Staged | None = None

    @property
    def is_whole(self) -> bool:
        """Every row has a score, and both stages where they are asked for."""
        whole = self.stages is None or self.stages.result is not None
        return bool(self.rows["valid"].all()) and whole

    def text(self) -> str:
        """Counts, means of the valid rows, reasons of the others, and the stages."""
        lines = [summary(self.rows, self.settings.protocol)]
        if self.stages is not None:
            lines.append(format_staged("stages", self.stages, self.settings.data_split))
        return "\n".join(lines)


@one_writer
def score_file(settings: ScoreFileSettings) -> FileScores:
    """Score the file; write the result, the stages where they are asked for, and their csv twins.

    Raises:
        DataError: the input cannot be read, lacks columns or names a trajectory twice; the mapping
            cannot be read; or the output cannot be written (finished rows are kept beside it).
        ConfigError: the mapping is not of this split, or a frame of it has several trajectories;
            or another process writes the same output.
        ReWorldError: this machine would score wrongly.
    """
    require_trust(settings.traffic_used, settings.two_stage)
    table = read_trajectories(settings.trajectories, settings.interval_s)
    if degrees_suspected(table):
        logger.warning("headings look like degrees; they are read as radians")
    groups = None
    if settings.two_stage:
        assert settings.mapping is not None
        groups = groups_of(read_mapping(settings.mapping), table["token"])
    rows = _score_rows(settings, table)
    if groups is None:
        return FileScores(settings, rows)
    found = staged(rows, table, caches_of(settings), groups)
    origin = {**provenance_of(settings, table), **found.provenance}
    write_with_twin(settings.stages_output, found.table, origin)
    return FileScores(settings, rows, found)


def _score_rows(settings: ScoreFileSettings, table: pd.DataFrame) -> pd.DataFrame:
    """Score the trajectories and write them; the written table."""
    caches = caches_of(settings)
    identity = {
        "protocol": settings.protocol,
        "traffic": settings.traffic_used,
        "explain": settings.explain,
        "data": caches.data_digest,
        "scoring code": code_digest(),
    }
    parts = settings.output.with_name(settings.output.name + ".parts")
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    store = PartStore(parts / digest, ROW_KEYS, identity, settings.resume)
    named = table.assign(candidate=table["candidate"].astype(str))
    rows = score_trajectories(
        named,
        caches,
        store,
        settings.protocol,
        settings.worker,
        settings.workers,
        settings.explain,
        settings.traffic_used,
    )
    rows.insert(2, "valid", rows["reason"] == "")
    rows["token"], rows["candidate"] = table["token"], table["candidate"]
    write_with_twin(settings.output, rows, provenance_of(settings, table))
    if rows["valid"].all():  # else the next start tries the others again
        remove_stores(parts)
    return rows


def caches_of(settings: ScoreFileSettings) -> SceneCaches:
    """The scene caches; those of synthetic scenes too where there are two stages."""
    if settings.data_root is None or settings.maps_root is None:
        found = resolve_split(settings.data_split, cameras=())  # scores need no images
        roots = (found.data_root, found.maps_root)
    else:
        roots = (settings.data_root.absolute(), settings.maps_root.absolute())
    synthetic = settings.synthetic_scenes if settings.two_stage else None
    return SceneCaches(*roots, settings.data_split, settings.cache_dir, synthetic)


def read_trajectories(path: Path, interval_s: float | None = None) -> pd.DataFrame:
    """The input table with columns token, candidate, poses (flat float64 arrays), interval_s.

    Args:
        path: parquet.
        interval_s: of every row, where the file has no column of that name.

    Raises:
        DataError: no such file, not parquet, columns missing, no rows, tokens that are no text,
            candidates without a name, or intervals that are no numbers or are given twice.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file", "name a parquet file with trajectories=")
    table = read_frame(path, "name a parquet file with trajectories=")
    missing = [name for name in ("token", "poses") if name not in table]
    if missing:
        raise DataError(
            f"{path}: no column {' and no column '.join(missing)}; it has {list(table.columns)}",
            "columns: token, candidate (optional), poses (24 or 120 numbers, or any with "
            f"{INTERVAL}); see --help",
        )
    _check_tokens(path, table["token"])
    if interval_s is not None and INTERVAL in table:
        raise DataError(
            f"{path} has a column {INTERVAL}, and {INTERVAL}={interval_s:g} is given",
            f"leave {INTERVAL}= out, or drop the column",
        )
    if table.empty:
        raise DataError(f"{path}: no rows", "write one row for each trajectory")
    table = table.reset_index(drop=True)
    if "candidate" not in table:
        table["candidate"] = 0
    nameless = table.index[table["candidate"].isna()]
    if len(nameless):
        raise DataError(
            f"{path}: the candidate of row {nameless[0]} is empty",
            "name every candidate, or leave the column out where a scene has one trajectory",
        )
    poses = pd.Series([_flat(value) for value in table["poses"]], dtype=object)
    table["poses"] = poses
    column = [interval_s] * len(table) if INTERVAL not in table else table[INTERVAL]
    table[INTERVAL] = pd.Series(intervals_of(column, len(table)), dtype=object)
    return table[["token", "candidate", "poses", INTERVAL]]


def _check_tokens(path: Path, tokens: pd.Series) -> None:
    """Raise DataError where a token is no text: what it was before is not known from a number."""
    for row, token in enumerate(tokens):
        if not isinstance(token, str):
            raise DataError(
                f"{path}: the token of row {row} is {token!r} ({type(token).__name__}), no text",
                "write tokens as text: as numbers they lose leading zeros and digits",
            )


def _flat(value: Any) -> np.ndarray:
    """Numbers of one trajectory, from [L, 3] or flat; empty where they are no numbers.

    Another shape, such as [3, L], stays as it is: its order would be a guess.
    """
    try:
        nested = np.asarray(value)
        if nested.dtype == object:
            nested = np.array([np.asarray(row, np.float64) for row in nested])
        numbers = nested.astype(np.float64)
    except (TypeError, ValueError):
        return np.empty(0)
    is_plan = numbers.ndim == 2 and numbers.shape[1] == 3
    return numbers.reshape(-1) if is_plan else np.atleast_1d(numbers)


def degrees_suspected(table: pd.DataFrame) -> bool:
    """Whether headings of the first trajectories look like degrees."""
    flat = table.loc[table["poses"].map(np.ndim) == 1, "poses"]
    if flat.empty:
        return False
    sizes = flat.map(len)
    stacked = np.stack(list(flat[sizes == sizes.mode().iloc[0]].head(256)))
    if stacked.shape[1] % 3 or stacked.shape[1] < 6 or not np.isfinite(stacked).all():
        return False
    return looks_like_degrees(stacked.reshape(len(stacked), -1, 3))


def provenance_of(settings: ScoreFileSettings, table: pd.DataFrame) -> dict[str, Any]:
    """Where the numbers come from, for the tables' metadata."""
    return {
        "protocol": settings.protocol,
        "traffic": settings.traffic_used,
        "code_version": code_version(),
        INTERVAL: settings.interval_s,
        "trajectories_sha256": hashlib.sha256(settings.trajectories.read_bytes()).hexdigest(),
        "split": settings.data_split,
        "tokens": int(table["token"].nunique()),
        "rows": len(table),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "blas": blas_name(),
    }


def summary(table: pd.DataFrame, protocol: str) -> str:
    """What the command prints: counts, means of the valid rows, reasons of the others."""
    valid = table[table["valid"]]
    lines = [
        f"{protocol}: {len(valid)} of {len(table)} trajectories scored, "
        f"{table['token'].nunique()} scenes"
    ]
    if len(valid):
        means = valid[list(columns(protocol))].astype(float).mean()
        width = 3 + max(len(str(name)) for name in means.index)
        lines += [f"  {name:<{width}}{value:.4f}" for name, value in means.items()]
    for reason, count in table.loc[~table["valid"], "reason"].value_counts().head(5).items():
        lines.append(f"  no score for {count}: {reason}")
    return "\n".join(lines)
