"""`reworld drive world=stages`: 4 s over a log, then the nearest synthetic scene."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent.baselines import ConstantVelocityAgent, PDMClosedAgent
from reworld_agent.cli.main import main
from reworld_agent.closed_loop import from_split
from reworld_agent.closed_loop.driving.loop import Pace, drive_scenario
from reworld_agent.closed_loop.driving.record import row_of
from reworld_agent.closed_loop.driving.run import DriveTask, _task, drive_one
from reworld_agent.closed_loop.driving.settings import DriveRun
from reworld_agent.closed_loop.replay import stages
from reworld_agent.closed_loop.replay.stage_scenarios import StagedScenario, of_groups
from reworld_agent.closed_loop.replay.world import LogWorld
from reworld_agent.closed_loop.world import maps_root
from reworld_agent.core.errors import DataError
from reworld_agent.evaluation.agent_choice import AgentChoice
from reworld_agent.evaluation.two_stage import read_mapping
from reworld_agent.scenes.logs import load_log
from reworld_agent.scenes.splits import DataRoots
from reworld_agent.scenes.synthetic.logs import log_bytes
from tests.closed_loop import agents
from tests.scenes.scene_pickle_files import NuPlan, write_scene_pickle

NOW, SHIFTS = 5, ((0.5, 0.2), (-0.3, -0.6), (-30.0, 0.0))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of the town, three synthetic scenes around its frame 4 s on, and their mapping."""
    root = tmp_path_factory.mktemp("stages")
    drive = from_split("town6_test", 1).drive()
    path = root / "navsim_logs" / "mini" / f"{drive.name}.pkl"
    path.parent.mkdir(parents=True)
    path.write_bytes(log_bytes(drive))
    frames, pairs = load_log(path), []
    with pytest.MonkeyPatch.context() as patch:
        nuplan = NuPlan(patch)
        for number, shift in enumerate(SHIFTS):
            pair = [f"{number}{back}{'f' * 14}" for back in (0, 1)]
            for back, token in enumerate(pair):
                at = NOW + 8 - back
                write_scene_pickle(nuplan, root / "synthetic", frames, at, token, shift)
            pairs.append(pair)
    groups = [[frames[NOW]["token"], frames[NOW - 1]["token"], pairs]]
    (root / "split.yaml").write_text(json.dumps({"reactive_all_mapping": groups}))
    return root


@pytest.fixture
def scenarios(world: Path) -> Sequence[StagedScenario]:
    folders = world / "synthetic", world / "sensor_blobs"
    return of_groups(
        DataRoots(world, maps_root(), "mini"), read_mapping(world / "split.yaml"), 9, folders
    )


def test_stage_two_is_the_scene_nearest_to_where_stage_one_led(
    scenarios: Sequence[StagedScenario],
) -> None:
    driven = drive_scenario(scenarios[0], PDMClosedAgent())
    row = row_of(driven, None, "oracle")
    kinds = [event.kind for event in driven.events]
    assert kinds[-2:] == ["stage_two", "over"] or kinds[-3:] == ["stage_two", "left_log", "over"]
    states = driven.world.states
    assert states.shape == (82, 11) and np.isfinite(states).all()
    jump = float(np.hypot(*(states[41, :2] - states[40, :2])))
    assert row["stage_two_away_m"] == pytest.approx(jump) and jump < 25.0
    assert len(driven.plans) == 9 and row["reason"] == ""
    assert row["no_at_fault_collisions"] == 1.0 and row["end_time_s"] == pytest.approx(8.1)
    assert row["recorded_m"] > 0.9 * row["progress_m"] > 0.0


def test_agents_with_bad_habits_end_either_stage(scenarios: Sequence[StagedScenario]) -> None:
    class RaisesLater(ConstantVelocityAgent):
        plans = 0

        def compute_trajectory(self, agent_input: object) -> object:  # type: ignore[override]
            self.plans += 1
            if self.plans > 8:
                raise RuntimeError("lost the second stage")
            return super().compute_trajectory(agent_input)  # type: ignore[arg-type]

    late = row_of(drive_scenario(scenarios[0], RaisesLater()), None, "late")
    assert "second stage" in late["reason"] and late["score"] == 0.0
    soon = row_of(drive_scenario(scenarios[0], agents.Teleports()), None, "soon")
    assert "teleports" in soon["reason"] and np.isnan(soon["stage_two_away_m"])


def test_what_is_wrong_with_the_data_is_not_the_agents(
    scenarios: Sequence[StagedScenario], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such scenarios have no score, whoever drives."""
    choice = AgentChoice("oracle", {"_target_": "reworld_agent.baselines.PDMClosedAgent"})
    task = DriveTask(scenarios[0], choice, Pace(), False, tmp_path)

    def damaged(*_: object) -> None:
        raise DataError("the data are damaged")

    for owner, name in ((stages, "build_from_scene_pickle"), (LogWorld, "scene")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, damaged)
            row = drive_one(task)
        assert row["reason"] == "the data are damaged", name
        assert not row["valid"] and np.isnan(row["score"])


def test_recordings_stay_in_their_folder(
    scenarios: Sequence[StagedScenario], tmp_path: Path
) -> None:
    settings = DriveRun(
        agent=AgentChoice("cv", {"_target_": "reworld_agent.baselines.ConstantVelocityAgent"}),
        output_dir=tmp_path,
    )
    for token in ("../../x", "/tmp/x", "..", "a/b"):
        folder = _task(settings, replace(scenarios[0], name=token)).folder
        assert folder.parent == tmp_path / "rollouts" and folder.name not in ("..", "x")


def test_the_command(
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(world))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(maps_root()))
    words = ["drive", "world=stages", "split=mini", "worker=sequential"]
    words += [f"mapping={world / 'split.yaml'}", f"output_dir={tmp_path / 'out'}"]
    assert main([*words, "agent=constant_velocity"]) == 2
    assert "add synthetic_scenes=" in capsys.readouterr().err
    words.append(f"synthetic_scenes={world / 'synthetic'}")
    assert main([*words, "agent=human"]) == 2
    assert "nobody is recorded" in capsys.readouterr().err
    assert main([*words, "agent=constant_velocity"]) == 0
    table = pd.read_csv(tmp_path / "out" / "drive_scores.csv")
    assert table["kind"].iloc[0] == "stages" and table["stage_two_away_m"].iloc[0] > 0.0
    assert main(["explain", str(tmp_path / "out")]) == 0


def test_a_missing_scene_is_said_before_anything_is_driven(
    scenarios: Sequence[StagedScenario], world: Path, tmp_path: Path
) -> None:
    roots, groups = DataRoots(world, maps_root(), "mini"), read_mapping(world / "split.yaml")
    with pytest.raises(DataError, match="synthetic scene is missing"):
        of_groups(roots, groups, 1, (tmp_path, tmp_path))
    assert len(scenarios) == 1 and len(scenarios[0].source) == 64
