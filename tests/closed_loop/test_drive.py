"""`reworld drive` from its arguments to its tables, agents that go wrong, and the two scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent.baselines import ConstantVelocityAgent, HumanAgent, PDMClosedAgent
from reworld_agent.cli.main import main
from reworld_agent.closed_loop import make
from reworld_agent.closed_loop.driving.loop import Pace, drive_scenario
from reworld_agent.closed_loop.driving.record import row_of
from reworld_agent.closed_loop.judging.scene_score import scene_score
from reworld_agent.core.errors import DataError, UsageError
from tests.closed_loop import agents

SHORT = make(0, "red_light", 1, "test-skew", seconds=6.0)
TABLES = ("drive_scores.parquet", "drive_scores.csv", "drive_failures.parquet", "rollouts.parquet")
WORDS = ["agent=constant_velocity", "kinds=[red_light,queue]", "seconds=4", "worker=sequential"]


def test_the_recorded_driver_keeps_everything_and_pdm_closed_the_rules() -> None:
    recorded = row_of(drive_scenario(SHORT, HumanAgent()), None, "human")
    assert recorded["score"] == 1.0 and recorded["ego_progress"] == 1.0
    oracle = row_of(drive_scenario(SHORT, PDMClosedAgent()), None, "oracle")
    assert oracle["no_at_fault_collisions"] == oracle["drivable_area_compliance"] == 1.0
    assert oracle["reason"] == "" and oracle["traffic_light_compliance"] == 1.0


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (agents.Raises, "RuntimeError: lost the way"),
        (agents.PlansNothing, "NaN"),
        (agents.Teleports, "teleports"),
        (agents.NoPlan, "no plan"),
        (agents.ReturnsNone, "no plan: the agent returned no trajectory"),
        (agents.ReturnsPoses, "no plan: the agent returned a ndarray, no Trajectory"),
        (agents.Exits, "the agent raised SystemExit: 0"),
        (agents.RaisesAtOnce, "the agent raised ValueError: lone ? half?xxx"),
        (agents.RaisesTheUnsayable, "the agent raised Unsayable"),
        (agents.LosesItsHeading, "no plan: 1 candidates hold NaN or infinite poses"),
        (agents.FliesAway, "teleports: 1.41421e+300 m within"),
    ],
)
def test_an_agent_that_gives_no_plan_ends_its_scenario(
    agent: type[ConstantVelocityAgent], said: str
) -> None:
    row = row_of(drive_scenario(SHORT, agent()), None, "bad")
    assert said in row["reason"] and row["score"] == 0.0 and row["valid"]
    assert row["reason"].isprintable() and len(row["reason"]) < 310


@pytest.mark.parametrize(("count", "interval_s"), [(40, 0.1), (4, 1.0), (20, 0.2), (80, 0.1)])
def test_plans_of_another_sampling_are_driven_alike(count: int, interval_s: float) -> None:
    usual = drive_scenario(SHORT, agents.PlansAt(8, 0.5)).world.states
    other = drive_scenario(SHORT, agents.PlansAt(count, interval_s)).world.states
    np.testing.assert_allclose(other, usual, atol=1e-6)


@pytest.mark.parametrize(("count", "interval_s"), [(1, 0.5), (6, 0.5)])
def test_a_short_plan_ends_where_it_ends(count: int, interval_s: float) -> None:
    row = row_of(drive_scenario(SHORT, agents.PlansAt(count, interval_s)), None, "short")
    assert row["reason"] == "" and row["end_time_s"] == 6.0 and np.isfinite(row["score"])


def test_an_agent_that_works_in_place_spoils_nothing() -> None:
    looks, writes = (
        drive_scenario(SHORT, own()) for own in (agents.OnlyLooks, agents.WorksInPlace)
    )
    np.testing.assert_array_equal(looks.world.states, writes.world.states)


def test_standing_makes_no_progress_and_leaving_the_map_is_off_the_road() -> None:
    long = make(0, "red_light", 1, "test-skew")
    stands = row_of(drive_scenario(long, agents.Stands()), None, "stands")
    assert stands["ego_progress"] < 0.2 and stands["making_progress"] == stands["score"] == 0.0
    assert "of the recorded" in stands["reason"]
    leaves = drive_scenario(long, agents.Leaves())
    row = row_of(leaves, None, "leaves")
    assert leaves.world.reason == "off_map" and row["drivable_area_compliance"] == 0.0
    assert row["end_time_s"] < 20.0 and "left the map" in row["reason"]
    assert '"metric": "DAC"' in row["failures"]


def test_a_late_plan_changes_the_drive() -> None:
    class Brakes(ConstantVelocityAgent):
        def compute_trajectory(self, agent_input: object) -> object:  # type: ignore[override]
            return agents.Stands().compute_trajectory(agent_input)  # type: ignore[arg-type]

    soon = drive_scenario(SHORT, Brakes(), Pace(0.5, 0.0)).world.states
    late = drive_scenario(SHORT, Brakes(), Pace(0.5, 0.4)).world.states
    assert late[-1, 0] != soon[-1, 0] and np.array_equal(soon[0], late[0])


@pytest.mark.slow
def test_the_command_resumes_and_its_tables_are_the_same_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main(["drive", *WORDS, "scenarios=3", f"output_dir={whole}"]) == 0
    said = capsys.readouterr().out
    assert "DS" in said and "constant_velocity" in said and "AlpaSim" in said
    for count in (1, 3, 3):
        assert main(["drive", *WORDS, f"scenarios={count}", f"output_dir={parts}"]) == 0
    for name in TABLES:
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name
    table = pd.read_csv(whole / "drive_scores.csv")
    assert list(table["scenario"])[-1] == "average" and len(table) == 4
    for name in ("scene.npz", "rollout.npz"):
        place = f"rollouts/{table['scenario'][0]}/{name}"
        assert (whole / place).read_bytes() == (parts / place).read_bytes()

    assert main(["drive", *WORDS, "scenarios=3", "replan_hz=5", f"output_dir={parts}"]) == 1
    assert "another replan_hz" in capsys.readouterr().err

    assert main(["explain", str(whole)]) == 0
    assert "drive score (drive_v1)" in capsys.readouterr().out
    assert main(["compare", str(whole), str(parts)]) == 0
    assert main(["report", str(whole)]) == 0
    assert main(["look", str(whole), f"output={tmp_path / 'look.html'}"]) == 0
    assert "red_light" in (tmp_path / "look.html").read_text(encoding="utf-8")
    assert (whole / "report.html").stat().st_size > 10_000
    capsys.readouterr()
    assert main(["explain", str(whole), "token=nothing"]) == 1
    assert "no scenario of this run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("split=town_test", "town6_test"),
        ("kinds=[cutin]", "cut_in"),
        ("kinds=[]", "one kind or more, each once"),
        ("kinds=[queue,queue]", "kinds=[queue,queue] must name"),
        ("replan_hz=3", "1, 2, 5 or 10"),
        ("latency=0.25", "multiple of 0.1"),
        ("latency=0.6", "not below the 0.5 s"),
        ("scenarios=0", "from 1 to"),
    ],
)
def test_words_that_cannot_be_are_refused(
    word: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drive", "agent=constant_velocity", word, f"output_dir={tmp_path / 'out'}"]) == 2
    error = capsys.readouterr().err
    assert said in error and not (tmp_path / "out").exists()


def test_scene_scores_of_alpasim() -> None:
    """The examples of AlpaSim's own test of its scene score."""
    found = scene_score(
        [0.4, 0.0, 0.8, 0.8, 0.8, 1.3, -0.2],
        [10.0, 4.9, 10.0, 10.0, 10.0, 10.0, 10.0],
        [0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0],
    )
    np.testing.assert_allclose(found, [0.5, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    with pytest.raises(DataError, match="not finite"):
        scene_score([np.nan], [10.0], [0], [0])


def test_an_agent_that_wants_the_lidar_is_refused() -> None:
    class Lidar(ConstantVelocityAgent):
        def get_sensor_config(self) -> object:  # type: ignore[override]
            config = super().get_sensor_config()
            config.lidar_pc = True
            return config

    with pytest.raises(UsageError, match="lidar"):
        drive_scenario(SHORT, Lidar())
