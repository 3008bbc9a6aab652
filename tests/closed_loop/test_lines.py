"""What a drive's recording shows: lines and marks that agree with its failures and its lights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from reworld_agent.analysis.player.recordings import read
from reworld_agent.analysis.player.rollouts import Rollout
from reworld_agent.baselines import ConstantVelocityAgent
from reworld_agent.closed_loop import make
from reworld_agent.closed_loop.driving.loop import Driven, drive_scenario
from reworld_agent.closed_loop.driving.record import row_of
from reworld_agent.pdm.world.ego_frame import box_corners, ego_box

SECONDS = 10.0


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Driven, dict[str, object], Path]:
    """Straight on through a red light, off the road: the drive, its row, its recording."""
    scenario = make(0, "red_light", 1, "test-skew", seconds=SECONDS)
    driven = drive_scenario(scenario, ConstantVelocityAgent())
    folder = tmp_path_factory.mktemp("drive") / scenario.name
    return driven, row_of(driven, folder, "straight"), folder


def test_marks_are_those_of_the_failures(
    recorded: tuple[Driven, dict[str, object], Path],
) -> None:
    driven, row, folder = recorded
    lost = {own["metric"]: own for own in json.loads(str(row["failures"]))}
    found = Rollout.load(folder)
    marks = {own["short"]: own["failed"] for own in found.header["metrics"] if own["failed"]}
    assert {*marks} == {*lost} and {"DAC", "TLC"} <= {*marks}
    for short, mark in marks.items():
        time = lost[short]["failure_time_s"]
        if np.isfinite(time):
            assert mark["step"] == round(10 * time)
        assert mark["text"] not in ("", short) and mark["sentence"] == lost[short]["sentence"]
    corner = np.array(marks["DAC"]["point"])
    corners = ego_box(driven.world.states[marks["DAC"]["step"], :3])
    assert np.abs(corners - corner).max(axis=1).min() < 1e-6  # a corner of the ego, as driven


def test_lines_are_beyond_their_bound_where_the_metric_is_lost(
    recorded: tuple[Driven, dict[str, object], Path],
) -> None:
    folder = recorded[2]
    found = Rollout.load(folder)
    about = {own["short"]: own for own in found.header["metrics"]}
    assert {"NC", "DAC", "TTC", "DDC", "Comf"} <= {*found.traces}
    for values in found.traces.values():
        assert values.shape == (len(found.ego),)
    inside, bound = found.traces["DAC"], about["DAC"]["bound"]
    first = about["DAC"]["failed"]["step"]
    assert inside[first] <= bound and (inside[:first] > bound).all()
    # the gap, measured by shapely between the boxes themselves
    for step in (0, 20, 45, 70):
        ego = shapely.Polygon(ego_box(found.ego[step]))
        boxes = [
            shapely.Polygon(box_corners(pose, *size))
            for pose, size in zip(found.track_pose[step], found.track_size, strict=True)
            if np.isfinite(pose).all()
        ]
        nearest = min(ego.distance(box) for box in boxes)
        assert found.traces["NC"][step] == pytest.approx(nearest, abs=0.05), step


def test_the_red_light_is_red_where_it_is_run(
    recorded: tuple[Driven, dict[str, object], Path],
) -> None:
    _, row, folder = recorded
    light = next(own for own in json.loads(str(row["failures"])) if own["metric"] == "TLC")
    found = Rollout.load(folder)
    assert found.light_red.shape == (round(SECONDS * 2) + 1, len(found.light_id))
    column = found.light_id.tolist().index(light["detail"])
    assert found.light_red[int(light["failure_time_s"] * 2), column] == 1
    (scene,) = read(folder.parent)
    shown = {own["id"]: own["states"] for own in scene.packed["lights"]}
    assert shown[light["detail"]][int(light["failure_time_s"] * 2)] == "r"
    assert scene.packed["drives"][0]["metrics"][0]["trace"]["unit"] == "m"
