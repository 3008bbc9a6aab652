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
        scenarios=8,
        seconds=4.0,
        worker="sequential",
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_kills_change_no_byte(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    start = time.monotonic()
    drive(settings(whole))
    took = time.monotonic() - start
    fork = multiprocessing.get_context("fork")  # what is imported and compiled here, is there
    kills = 0
    for k in range(10):
        child = fork.Process(target=drive, args=(settings(killed),))
        child.start()
        child.join(took * (0.06 + 0.05 * k))
        if child.is_alive():
            kills += 1
            child.kill()
            child.join()
    assert kills >= 3  # later starts may find little left to do
    drive(settings(killed))
    for name in TABLES:
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    for file in sorted((whole / "rollouts").glob("*/*.npz")):
        twin = killed / file.relative_to(whole)
        assert file.read_bytes() == twin.read_bytes(), file.name
