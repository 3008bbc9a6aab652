"""Ten kills in the middle of a run of drives: what comes of it in the end is the same bytes."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from reworld_agent.closed_loop.driving.run import drive
from reworld_agent.closed_loop.driving.settings import DriveRun
from reworld_agent.evaluation.agent_choice import AgentChoice

CHOICE = AgentChoice("cv", {"_target_": "reworld_agent.baselines.ConstantVelocityAgent"})
TABLES = ("drive_scores.parquet", "drive_scores.csv", "drive_failures.parquet", "rollouts.parquet")


def settings(folder: Path) -> DriveRun:
    return DriveRun(
        agent=CHOICE,
        output_dir=folder,
        kinds=("red_light", "queue"),
        scenarios=16,
        seconds=4.0,
        worker="sequential",
    )


def recorded(folder: Path) -> int:
    """The newest time of a recording; 0 before the first."""
    files = (folder / "rollouts").glob("*/rollout.npz")
    return max((file.stat().st_mtime_ns for file in files), default=0)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_kills_change_no_byte(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    drive(settings(whole))
    fork = multiprocessing.get_context("fork")  # what is imported and compiled here, is there
    for k in range(10):
        before = recorded(killed)
        child = fork.Process(target=drive, args=(settings(killed),))
        child.start()
        while child.is_alive() and recorded(killed) == before:
            time.sleep(0.01)
        time.sleep(0.03 * k)  # in one part of the next scenario or another
        assert child.is_alive(), f"run {k} ended before it was killed"
        child.kill()
        child.join()
    drive(settings(killed))
    for name in TABLES:
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    for file in sorted((whole / "rollouts").glob("*/*.npz")):
        twin = killed / file.relative_to(whole)
        assert file.read_bytes() == twin.read_bytes(), file.name
