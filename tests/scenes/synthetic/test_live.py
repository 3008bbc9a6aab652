"""A free ego: the recorded one gives the recorded traffic; one that stops is not run over."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from reworld_agent.scenes.synthetic.actors.traffic import STEP
from reworld_agent.scenes.synthetic.drive import Drive
from reworld_agent.scenes.synthetic.live import LiveTown
from reworld_agent.scenes.synthetic.logs import driving_command, log_frames
from reworld_agent.scenes.synthetic.rollout import make_drive
from reworld_agent.scenes.synthetic.town import geometry

START = 12  # step, 1.5 s


@pytest.fixture(scope="module")
def drive() -> Drive:
    return make_drive("town6_test", 0)


def test_the_recorded_ego_gives_the_recorded_traffic(drive: Drive) -> None:
    world = LiveTown(drive, START * STEP)
    assert np.abs(world.moment.boxes - drive.boxes[START]).max() < 1e-9
    for step in range(START + 1, START + 60):
        world.step(drive.ego_pose(step), float(drive.record.v[step, 0]))
        assert np.abs(world.moment.boxes - drive.boxes[step]).max() < 1e-3
        assert (world.command() == driving_command(drive, step)).all()
    there, logged = world.annotations(), log_frames(drive)[(START + 60) // 4 - 1]
    assert set(there) == set(logged["anns"])
    assert world.lights() == drive.signals.frame(world.time)


def test_whoever_follows_stops_behind_an_ego_that_stops(drive: Drive) -> None:
    world = LiveTown(drive, START * STEP)
    pose, speed = world.moment.ego, float(world.moment.speed[0])
    for _ in range(80):
        speed = max(speed - 2.0 * STEP, 0.0)
        pose = pose + speed * STEP * np.array([np.cos(pose[2]), np.sin(pose[2]), 0.0])
        moment = world.step(pose, speed)
        bodies = shapely.polygons(geometry.box_corners(moment.boxes))
        assert not shapely.intersects(bodies[0], bodies[1:]).any()
    assert world.time == pytest.approx(START * STEP + 10.0)


def test_a_camera_sees_from_where_ego_has_come_to(drive: Drive) -> None:
    world = LiveTown(drive, START * STEP)
    before = world.image("CAM_F0").astype(int)
    x, y, heading = world.moment.ego
    world.step(np.array([x - np.sin(heading), y + np.cos(heading), heading + 0.1]), 5.0)
    after = world.image("CAM_F0").astype(int)
    assert np.abs(before - after).mean() > 5.0
    assert (world.image("CAM_F0") == after).all()
