"""The candidates of a batch of scenes, scored: rows of a pool as an Arrow table.

This module and what it imports stay free of torch: processes that only score import it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reworld_agent.pdm.batch import ChunkTask, TokenTask, score_chunk
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics import SCORE
from reworld_agent.pdm.metrics.table import PDMS_V1

PROTOCOL = PDMS_V1.name
METRICS = (*PDMS_V1.of_one_frame, SCORE)
SCHEMA = pa.schema(
    [
        ("token", pa.string()),
        ("candidate", pa.string()),
        ("poses", pa.list_(pa.float64())),
        ("reason", pa.string()),
        *((name, pa.float64()) for name in METRICS),
    ]
)


@dataclass(frozen=True)
class Candidates:
    """Candidates of some scenes, not yet scored.

    Attributes:
        number: of the batch.
        caches: scene caches of the split.
        tokens: B scenes.
        poses: float64 [B, K, 3 L] (m, m, rad; ego frame).
        interval_s: between poses [s].
    """

    number: int
    caches: SceneCaches
    tokens: tuple[str, ...]
    poses: NDArray[np.float64]
    interval_s: float


@dataclass(frozen=True)
class ScoredBatch:
    """Rows of a batch, by scene and candidate, with the columns of `SCHEMA`."""

    number: int
    rows: pa.Table


def score_batch(batch: Candidates) -> ScoredBatch:
    """Score every candidate; one that cannot be says why in `reason`, and its metrics are NaN."""
    count = batch.poses.shape[1]
    names = tuple(str(number) for number in range(count))
    scenes = tuple(
        TokenTask(token, names, names, tuple(poses), (batch.interval_s,) * count)
        for token, poses in zip(batch.tokens, batch.poses, strict=True)
    )
    rows = score_chunk(ChunkTask(batch.caches, PROTOCOL, False, scenes))
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names if name != "poses"}
    columns["poses"] = list(batch.poses.reshape(len(rows), -1))
    return ScoredBatch(batch.number, pa.table(columns, schema=SCHEMA))
