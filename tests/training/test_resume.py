"""The record of a run's settings, beside which several processes start and a disk may be full."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from reworld_agent.errors import DataError
from reworld_agent.training.resume import CHECKPOINT, RECORD, check_record


def test_the_record_is_whole_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, record = {"seed": 1, "stage": {"steps": 3}}, tmp_path / RECORD
    check_record(tmp_path, settings)
    (tmp_path / CHECKPOINT).parent.mkdir()
    (tmp_path / CHECKPOINT).touch()
    known, write, full = record.read_bytes(), Path.write_text, []

    def watched(self: Path, text: str, **how: str) -> int:
        assert record.read_bytes() == known  # what another process finds meanwhile
        if full:
            write(self, text[:5], **how)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, text, **how)

    monkeypatch.setattr(Path, "write_text", watched)
    check_record(tmp_path, settings)
    full.append(True)
    with pytest.raises(DataError, match="the disk is full"):
        check_record(tmp_path, settings)
    assert record.read_bytes() == known and not list(tmp_path.glob(".*"))
