"""One kill of a command whose processes score, and of one that trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kills.__main__ import kill_once, run
from tests.kills.jobs import JOBS


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["score", "stage 2"])
@pytest.mark.parametrize("number", [0, 2], ids=["SIGKILL", "SIGTERM"])
def test_a_killed_command_goes_on(tmp_path: Path, name: str, number: int) -> None:
    job = next(job for job in JOBS if job.name == name)
    run(job.command(tmp_path, tmp_path / "whole"), tmp_path / "whole")
    record = kill_once(job, tmp_path, tmp_path / "whole", tmp_path / "killed", number)
    assert record["held"], record
