"""One file of a vocabulary's scores: some scenes, a list of V numbers for each column."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError, ReWorldError
from reworld_agent.core.result_tables import read_arrow, write_arrow
from reworld_agent.core.text import shown
from reworld_agent.pdm.api import score
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.golden.finding import require_trust
from reworld_agent.pdm.metrics.registry import BOTH, protocols
from reworld_agent.pdm.metrics.table import EPDMS_V2
from reworld_agent.vocabularies import gtrs
from reworld_agent.vocabularies.files import Vocabulary

logger = logging.getLogger(__name__)

LOGGED = "logged_poses"  # column of the logged future, 24 numbers, NaN where the log ends
_AGAIN = "delete {}, and start reworld vocabulary score again"
_Scores = dict[str, NDArray[np.float32]]


def paths(folder: Path) -> list[Path]:
    """The files of scores in a folder, in order."""
    return sorted(folder.glob("scores-*.parquet"))


@dataclass(frozen=True)
class FileTask:
    """What one call in a worker process scores and writes.

    Attributes:
        path: of the file.
        tokens: of its scenes.
        caches, vocabulary, protocol: how they are scored.
        provenance: for the file's metadata.
    """

    path: Path
    tokens: tuple[str, ...]
    caches: SceneCaches
    vocabulary: Vocabulary
    protocol: str
    provenance: dict[str, Any]


def known_failures(task: FileTask) -> list[dict[str, str]] | None:
    """Scenes of a finished file that have no scores; None where there is no whole file."""
    if not task.path.is_file():
        return None
    try:
        table = read_arrow(task.path, columns=["token", "reason"], ours=True)
    except DataError as error:
        logger.warning("%s: its scenes are scored again", error.message)
        return None
    rows: list[dict[str, str]] = table.to_pylist()
    return [row for row in rows if row["reason"]] if len(rows) == len(task.tokens) else None


def score_file(task: FileTask) -> tuple[int, list[dict[str, str]]]:
    """Score the scenes of one file, and write it; how many, and those that failed.

    Raises:
        ReWorldError: this process would score wrongly, or the file cannot be written.
    """
    require_trust()
    found = [_score_scene(task, token) for token in task.tokens]
    size, names = len(task.vocabulary), columns_of(task.protocol)
    arrays: dict[str, pa.Array] = {
        "token": pa.array(task.tokens, pa.string()),
        "reason": pa.array([reason for _, reason, _ in found], pa.string()),
        LOGGED: _lists([logged for _, _, logged in found], 24),
    }
    for name in names:
        arrays[name] = _lists([scores.get(name) for scores, _, _ in found], size)
    write_arrow(task.path, pa.table(arrays), task.provenance, compression="zstd")
    failed = [
        {"token": token, "reason": reason}
        for token, (_, reason, _) in zip(task.tokens, found, strict=True)
        if reason
    ]
    return len(task.tokens), failed


def _score_scene(task: FileTask, token: str) -> tuple[_Scores, str, NDArray[np.float32]]:
    logged = np.full(24, np.nan, np.float32)
    try:
        cache = task.caches.get(token)
        logged = cache.human_poses.reshape(-1).astype(np.float32)
        own = task.vocabulary
        found = score(cache, own.poses, task.protocol, interval_s=own.interval_s)
    except ReWorldError as error:
        return {}, error.message, logged
    return {name: found[name].astype(np.float32) for name in columns_of(task.protocol)}, "", logged


def columns_of(protocol: str) -> tuple[str, ...]:
    """Columns of a protocol that a vocabulary's scores have, those before the human filter too."""
    names = []
    for one in protocols():
        if protocol not in (one.name, BOTH):
            continue
        own = list(one.columns)
        if one.name == EPDMS_V2.name:
            own += [name for name in gtrs.columns().values() if name not in own]
        names += [f"{one.name}_{name}" if protocol == BOTH else name for name in own]
    return tuple(names)


def _lists(rows: Sequence[NDArray[np.float32] | None], size: int) -> pa.Array:
    """Rows of `size` numbers each, None where a scene has none."""
    empty = np.zeros(size, np.float32)
    flat = np.concatenate([empty if row is None else row for row in rows])
    missing = pa.array([row is None for row in rows], pa.bool_())
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), size, mask=missing)


def scenes_in(folder: Path) -> int:
    """Scenes that the files of a folder hold, those without scores too."""
    read = (read_arrow(path, _AGAIN.format(shown(path)), ["token"]) for path in paths(folder))
    return sum(table.num_rows for table in read)


def scenes_of(folder: Path, columns: Sequence[str]) -> Iterator[tuple[str, _Scores]]:
    """Token and columns of every scene that has scores, file by file."""
    for path in paths(folder):
        table = read_arrow(path, _AGAIN.format(shown(path)), ["token", *columns], ours=True)
        for number, token in enumerate(table["token"].to_pylist()):
            cells = {name: table[name][number] for name in columns}
            if all(cell.is_valid for cell in cells.values()):
                yield token, {name: cell.values.to_numpy() for name, cell in cells.items()}
