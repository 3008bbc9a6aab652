"""Scored batches on disk: one file each, whole or absent, so that a kill costs what is in work."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import read_arrow, write_arrow
from reworld_agent.core.shards import check_identity, forget_identity
from reworld_agent.negatives.scored import SCHEMA, ScoredBatch


class BatchFiles:
    """The batches of one mining run.

    Args:
        folder: of the files; made where it is absent.
        identity: what the rows depend on; rows of another identity are never mixed in.
        count: batches of the run.
        resume: False forgets the batches that are there.

    Raises:
        ConfigError: `resume`, and the folder holds batches of another identity.
        DataError: the folder cannot be written.
    """

    def __init__(
        self, folder: Path, identity: dict[str, Any], count: int, resume: bool = True
    ) -> None:
        self.folder, self.count = folder, count
        if not resume:
            for file in folder.glob("batch-*.parquet"):
                file.unlink()
            forget_identity(folder)
        check_identity(folder, identity, folder.parent)

    def write(self, batch: ScoredBatch) -> None:
        """Keep a batch; raises DataError where the disk is full."""
        write_arrow(self._file(batch.number), batch.rows)

    def unfinished(self) -> list[int]:
        """Numbers of the batches that are absent, or have a candidate without a score."""
        return [number for number in range(self.count) if not self._is_scored(number)]

    def _is_scored(self, number: int) -> bool:
        file = self._file(number)
        if not file.is_file():
            return False
        try:
            rows = read_arrow(file, ours=True)
        except DataError as error:  # a disk that lied about its sync
            warnings.warn(f"{error.message}: unreadable, its rows are made again", stacklevel=2)
            return False
        if not rows.schema.equals(SCHEMA):
            return False
        return set(rows["reason"].to_pylist()) == {""}

    def tables(self) -> Iterator[pa.Table]:
        """The rows of every batch, in order, one batch at a time in memory."""
        for number in range(self.count):
            yield read_arrow(self._file(number), ours=True).cast(SCHEMA)

    def _file(self, number: int) -> Path:
        return self.folder / f"batch-{number:06d}.parquet"
