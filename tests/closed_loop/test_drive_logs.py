"""`reworld drive world=logs`: pieces of logs, a flag for who leaves them, the same tables."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent.baselines import HumanAgent, PDMClosedAgent
from reworld_agent.cli.main import main
from reworld_agent.closed_loop import from_split
from reworld_agent.closed_loop.driving.loop import Pace, drive_scenario
from reworld_agent.closed_loop.driving.record import row_of
from reworld_agent.closed_loop.driving.run import DriveTask, drive_one
from reworld_agent.closed_loop.replay.frames import reframed
from reworld_agent.closed_loop.replay.scenarios import of_logs
from reworld_agent.closed_loop.world import maps_root
from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import write_with_twin
from reworld_agent.evaluation.agent_choice import AgentChoice
from reworld_agent.pdm.metrics.table import DRIVE
from reworld_agent.pdm.world.frames import boxes, ego_state, open_log
from reworld_agent.scenes.logs import load_log
from reworld_agent.scenes.maps.city import city_map_path
from reworld_agent.scenes.splits import DataRoots
from reworld_agent.scenes.synthetic.logs import log_bytes
from tests.closed_loop import agents

TABLES = ("drive_scores.parquet", "drive_scores.csv", "drive_failures.parquet", "rollouts.parquet")
CALM = ["agent=constant_velocity", "world=logs", "split=mini", "seconds=4", "worker=sequential"]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> DataRoots:
    """Two logs of the town, without pictures, as a split `mini`."""
    root = tmp_path_factory.mktemp("openscene")
    logs = root / "navsim_logs" / "mini"
    logs.mkdir(parents=True)
    for index in (1, 2):
        drive = from_split("town6_test", index).drive()
        (logs / f"{drive.name}.pkl").write_bytes(log_bytes(drive))
    return DataRoots(root, maps_root(), "mini")


@pytest.fixture
def mini(roots: DataRoots, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(roots.data_root))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(roots.maps_root))
    return roots.data_root


def test_scenarios_are_pieces_of_logs_in_turn(roots: DataRoots) -> None:
    found = of_logs(roots, 5, seconds=8.0)
    assert [own.start for own in found] == [3, 3, 19, 19]  # what is left then is too short
    assert found[0].log == found[2].log != found[1].log == found[3].log
    assert all(len(own.source) == 64 and own.town for own in found)
    assert len({own.name for own in found}) == 4 and len(of_logs(roots, 1)) == 1


def test_a_frame_around_another_ego_says_the_same_of_the_world(roots: DataRoots) -> None:
    log = open_log(of_logs(roots, 1)[0].log)
    logged = log.moments(5, 6)[0]
    state = logged.state.copy()
    state[:3] += 1.5, -0.7, 0.4
    moved = reframed(logged.frame, state)
    np.testing.assert_allclose(ego_state(moved)[:3], state[:3], atol=1e-12)
    there = boxes(moved, state[:3])
    np.testing.assert_allclose(there.pose, logged.boxes.pose, atol=1e-9)
    np.testing.assert_allclose(there.velocity, logged.boxes.velocity, atol=1e-9)
    assert there.token == logged.boxes.token


def test_who_follows_the_log_and_who_is_told_where_all_are(roots: DataRoots) -> None:
    scenario = of_logs(roots, 1, seconds=8.0, near=4.0)[0]
    human = row_of(drive_scenario(scenario, HumanAgent()), None, "human")
    assert human["score"] > 0.8 and human["left_log"] == 0.0 and human["reason"] == ""
    oracle = row_of(drive_scenario(scenario, PDMClosedAgent()), None, "oracle")
    assert oracle["no_at_fault_collisions"] == 1.0 and oracle["reason"] == ""


@pytest.mark.parametrize(
    ("agent", "said"),
    [(agents.Raises, "lost the way"), (agents.Teleports, "teleports"), (agents.NoPlan, "no plan")],
)
def test_an_agent_with_a_bad_habit_has_a_row(
    roots: DataRoots, agent: type[agents.ConstantVelocityAgent], said: str
) -> None:
    row = row_of(drive_scenario(of_logs(roots, 1)[0], agent()), None, "bad")
    assert said in row["reason"] and row["score"] == row["making_progress"] == 0.0


def test_who_is_lost_scores_nothing(roots: DataRoots) -> None:
    driven = drive_scenario(of_logs(roots, 1)[0], agents.Leaves())
    row = row_of(driven, None, "leaves")
    assert driven.world.reason == "lost" and row["score"] == row["alpasim_score"] == 0.0
    assert row["farthest_m"] > 60.0 and "from the logged one" in row["reason"]
    assert {event.kind for event in driven.events} == {"left_log", "lost"}


def _no_route(frames: list[dict[str, Any]]) -> None:
    frames[3]["roadblock_ids"] = []


def _unknown_block(frames: list[dict[str, Any]]) -> None:
    frames[11]["roadblock_ids"] = ["99999999"]


def _jump(frames: list[dict[str, Any]]) -> None:
    frames[9]["ego2global_translation"] = np.array([1e9, 0.0, 0.0])


@pytest.mark.parametrize(
    ("damage", "said"),
    [(_no_route, "no route"), (_unknown_block, "'99999999'"), (_jump, "the logged ego jumps")],
)
@pytest.mark.parametrize("agent", ["ConstantVelocityAgent", "PDMClosedAgent"])
def test_what_is_wrong_with_a_log_is_not_the_agents(
    roots: DataRoots, tmp_path: Path, damage: Callable[[Any], None], said: str, agent: str
) -> None:
    """Such a piece has no score, whoever drives; before, the ego had left the map."""
    good = of_logs(roots, 1, seconds=8.0)[0]
    frames = [dict(frame) for frame in load_log(good.log)]
    damage(frames)
    bad = tmp_path / good.log.name
    bad.write_bytes(pickle.dumps(frames))
    choice = AgentChoice(agent, {"_target_": f"reworld_agent.baselines.{agent}"})
    row = drive_one(DriveTask(replace(good, log=bad), choice, Pace(), False, tmp_path / "out"))
    assert said in row["reason"] and not row["valid"] and np.isnan(row["score"])
    assert drive_one(DriveTask(good, choice, Pace(), False, tmp_path / "out"))["valid"]


def test_another_map_is_another_scenario(roots: DataRoots, tmp_path: Path) -> None:
    """Rows of it are not taken for those of the first, nor where it is gone."""
    shutil.copytree(roots.maps_root, tmp_path / "maps")
    other = replace(roots, maps_root=tmp_path / "maps")
    first, same = of_logs(roots, 1)[0].source, of_logs(other, 1)[0].source
    city = city_map_path(tmp_path / "maps", of_logs(roots, 1)[0].town)
    city.write_bytes(city.read_bytes() + b"\0")
    assert first == same != of_logs(other, 1)[0].source
    city.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        of_logs(other, 1)


@pytest.mark.slow
def test_the_command_resumes_and_all_commands_read_its_tables(
    mini: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main(["drive", *CALM, "cameras=none", "scenarios=2", f"output_dir={whole}"]) == 0
    said = capsys.readouterr().out
    assert "left the log by more than 2 m" in said and "constant_velocity" in said
    for count in (1, 2):
        assert main(["drive", *CALM, f"scenarios={count}", f"output_dir={parts}"]) == 0
    for name in TABLES:
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name
    table = pd.read_csv(whole / "drive_scores.csv")
    assert set(table["kind"][:-1]) == {"log"} and {"left_log", "farthest_m"} < set(table)
    assert main(["explain", str(whole)]) == 0
    assert main(["compare", str(whole), str(parts)]) == 0
    assert main(["report", str(whole)]) == 0
    assert main(["look", str(whole), f"output={tmp_path / 'look.html'}"]) == 0
    capsys.readouterr()
    assert main(["drive", *CALM, "near=3", f"output_dir={parts}"]) == 1
    assert "another near_m" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("split=nowhere", "nowhere"),
        ("kinds=[queue]", "logs have no kinds"),
        ("replan_hz=5", "2 frames a second"),
        ("seconds=4.2", "multiple of 0.5"),
        ("near=61", "from 0 to 60"),
        ("cameras=painted", "none, logged"),
        ("world=town", "world=logs drives over logs"),
    ],
)
def test_words_that_cannot_be_are_refused(
    mini: Path, word: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = [own for own in CALM if own.partition("=")[0] != word.partition("=")[0]]
    assert main(["drive", *kept, word, f"output_dir={tmp_path / 'out'}"]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_the_command_tells_who_left(
    mini: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*CALM, "cameras=none", "scenarios=1", f"output_dir={tmp_path / 'out'}"]
    assert main(["drive", *words]) == 0
    assert "1 of 1 left the log by more than 2 m" in capsys.readouterr().out
    assert main(["explain", str(tmp_path / "out")]) == 0
    assert "drive score (drive_v1)" in capsys.readouterr().out


def test_runs_of_other_worlds_are_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.DataFrame({"scenario": ["a", "b"], "log_name": ["a", "b"]})
    table[[*DRIVE.official, "score"]] = 1.0
    for name, version in (("a", "6"), ("b", "7"), ("c", "6")):
        origin = {"protocol": "drive_v1", "town_version": version, "seconds": 20.0}
        (tmp_path / name).mkdir()
        write_with_twin(tmp_path / name / "drive_scores.parquet", table, origin)
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert "unlike worlds" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "c")]) == 0


def test_a_split_without_maps_or_pictures_is_refused_before_a_drive(
    mini: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    blind = [*CALM, f"output_dir={tmp_path / 'out'}", "film=true", "scenarios=1"]
    assert main(["drive", *blind]) == 1
    assert "CAM_F0" in capsys.readouterr().err
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path))
    assert main(["drive", *CALM, f"output_dir={tmp_path / 'other'}"]) == 1
    assert "map" in capsys.readouterr().err
