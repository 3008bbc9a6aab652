"""One kill of a command whose processes score, of one that trains, and of Ray's workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reworld_agent.core.extras import is_installed
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


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not is_installed("ray"), reason="pip install 'reworld-agent[ray]'")
def test_mining_on_ray_goes_on_to_the_pool_of_other_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")  # on a busy machine 15, its default, starves
    mine = next(job for job in JOBS if job.name == "mine")
    run(mine.command(tmp_path, tmp_path / "whole"), tmp_path / "whole")
    on_ray = replace(mine, name="mine on ray", arguments=(*mine.arguments, "worker=ray"))
    for number in (0, 2):  # SIGKILL, SIGTERM
        out = tmp_path / "killed"
        record = kill_once(on_ray, tmp_path, tmp_path / "whole", out, number)
        assert record["held"], record
