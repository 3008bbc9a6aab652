"""The record of a run's settings, beside which several processes start and a disk may be full."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from reworld_agent.core.errors import ConfigError, DataError, WeightsError
from reworld_agent.training.resume import CHECKPOINT, RECORD, Standing, finish, standing


def test_the_record_is_whole_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, record = {"seed": 1, "stage": {"steps": 3}}, tmp_path / RECORD
    standing(tmp_path, settings)
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
    standing(tmp_path, settings)
    full.append(True)
    with pytest.raises(DataError, match="the disk is full"):
        standing(tmp_path, settings)
    assert record.read_bytes() == known and not list(tmp_path.glob(".*"))


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    settings, record = {"seed": 1, "stage": {"steps": 3}}, tmp_path / RECORD
    assert standing(tmp_path, settings) == Standing()
    (tmp_path / CHECKPOINT).parent.mkdir()
    (tmp_path / CHECKPOINT).touch()
    assert standing(tmp_path, settings) == Standing(checkpoint=tmp_path / CHECKPOINT)
    (tmp_path / "weights").mkdir()
    finish(tmp_path, "weights")
    assert not (tmp_path / CHECKPOINT).exists()
    known = record.read_bytes()
    for _ in range(2):  # every process of it
        assert standing(tmp_path, settings) == Standing(finished=tmp_path / "weights")
    with pytest.raises(
        ConfigError, match=r"a finished run with other settings: stage\.steps: it h"
    ):
        standing(tmp_path, {"seed": 1, "stage": {"steps": 4}})
    assert record.read_bytes() == known
    assert standing(tmp_path, {"seed": 2}, resume=False) == Standing()
    finish(tmp_path, "weights")
    (tmp_path / "weights").rmdir()  # what was to be kept is gone
    assert standing(tmp_path, settings) == Standing()
    record.write_text("{")
    with pytest.raises(WeightsError, match=r"run\.json is damaged"):
        standing(tmp_path, settings)
    assert standing(tmp_path, settings, resume=False) == Standing()
