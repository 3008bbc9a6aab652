"""The record of a run's settings, beside which several processes start and a disk may be full."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from reworld_agent.core.errors import ConfigError, DataError, WeightsError
from reworld_agent.core.records import write_record
from reworld_agent.training.loop.records import CHECKPOINT, RECORD
from reworld_agent.training.loop.resume import ResumeState, finish, resume_state


def test_the_record_is_whole_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, record = {"seed": 1, "stage": {"steps": 3}}, tmp_path / RECORD
    resume_state(tmp_path, settings)
    (tmp_path / CHECKPOINT).parent.mkdir()
    (tmp_path / CHECKPOINT).touch()
    known, write = record.read_bytes(), Path.write_text
    full: list[bool] = []

    def watched(self: Path, text: str, **how: str) -> int:
        assert record.read_bytes() == known  # what another process finds meanwhile
        if full:
            write(self, text[:5], **how)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, text, **how)

    monkeypatch.setattr(Path, "write_text", watched)
    resume_state(tmp_path, settings)
    full.append(True)
    with pytest.raises(DataError, match="the disk is full"):
        resume_state(tmp_path, settings)
    assert record.read_bytes() == known and not list(tmp_path.glob(".*"))


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    settings, record = {"seed": 1, "stage": {"steps": 3}}, tmp_path / RECORD
    assert resume_state(tmp_path, settings) == ResumeState()
    (tmp_path / CHECKPOINT).parent.mkdir()
    (tmp_path / CHECKPOINT).touch()
    assert resume_state(tmp_path, settings) == ResumeState(checkpoint=tmp_path / CHECKPOINT)
    (tmp_path / "weights").mkdir()
    finish(tmp_path, "weights")
    assert not (tmp_path / CHECKPOINT).exists()
    known = record.read_bytes()
    for _ in range(2):  # every process of it
        assert resume_state(tmp_path, settings) == ResumeState(finished=tmp_path / "weights")
    with pytest.raises(
        ConfigError, match=r"a finished run with other settings: stage\.steps: it h"
    ):
        resume_state(tmp_path, {"seed": 1, "stage": {"steps": 4}})
    assert record.read_bytes() == known
    assert resume_state(tmp_path, {"seed": 2}, resume=False) == ResumeState()
    finish(tmp_path, "weights")
    (tmp_path / "weights").rmdir()  # what was to be kept is gone
    assert resume_state(tmp_path, settings) == ResumeState()
    record.write_text("{")
    with pytest.raises(WeightsError, match=r"run\.json is damaged"):
        resume_state(tmp_path, settings)
    assert resume_state(tmp_path, settings, resume=False) == ResumeState()


def test_other_settings_are_refused_without_torch(tmp_path: Path) -> None:
    """What a start needs takes seconds to import: a refusal does without."""
    (tmp_path / CHECKPOINT).parent.mkdir()
    (tmp_path / CHECKPOINT).touch()
    write_record(tmp_path / RECORD, {"seed": 42, "model": "tiny", "split": "town_train"})
    words = ["train", "agent=reworld", "stage=1", "seed=43", f"output_dir={tmp_path}"]
    code = (
        "import sys; from reworld_agent.cli.main import main; code = main(sys.argv[1:]); "
        "print({'torch', 'lightning', 'diffusers', 'numba'} & {*sys.modules}); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "holds an unfinished run with other settings: seed: it has 42" in done.stderr
    assert done.stdout.strip().endswith("set()")
