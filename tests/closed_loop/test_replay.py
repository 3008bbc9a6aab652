"""A log with a free ego: who follows it keeps the rules, who leaves it is told when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reworld_agent.baselines import ConstantVelocityAgent
from reworld_agent.closed_loop import from_split
from reworld_agent.closed_loop.replay import LogWorld, judge_log
from reworld_agent.closed_loop.world import maps_root
from reworld_agent.compat import Trajectory, TrajectorySampling, make_trajectory
from reworld_agent.core.errors import DataError, SceneError, UsageError
from reworld_agent.scenes.geometry import relative_poses
from reworld_agent.scenes.sensors import SensorConfig
from reworld_agent.scenes.synthetic.logs import log_bytes


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    drive = from_split("town6_test", 1).drive()
    path = tmp_path_factory.mktemp("logs") / f"{drive.name}.pkl"
    path.write_bytes(log_bytes(drive))
    return path


def logged_future(world: LogWorld) -> Trajectory:
    now, end = world.start + world.tick // 5, len(world.log.frames)
    states = [moment.state[:3] for moment in world.log.moments(now + 1, min(now + 9, end))]
    poses = relative_poses(world.state[:3], np.array(states))
    sampling = TrajectorySampling(num_poses=len(poses), interval_length=0.5)
    return make_trajectory(poses, sampling)


def test_who_follows_the_log_keeps_the_rules(log: Path) -> None:
    world = LogWorld(log, 3, maps_root(), near=4.0)
    while not world.done:
        world.advance(logged_future(world))
    found = judge_log(world)
    assert world.reason == "over" and world.left_at is None and world.time == 17.0
    assert found.more["route_completion"] > 0.95 and found.values["score"] > 0.8
    kept = ("no_at_fault_collisions", "drivable_area_compliance", "traffic_light_compliance")
    assert all(found.values[name] == 1.0 for name in kept), found.values
    assert found.more["left_log"] == 0.0 and found.more["within_log_s"] == 17.0


def test_who_leaves_the_log_is_told_when(log: Path) -> None:
    agent, world = ConstantVelocityAgent(), LogWorld(log, 3, maps_root(), seconds=10.0)
    seen = world.observe()
    assert len(seen.ego_statuses) == 4 and seen.cameras[0].cam_f0.image is None
    while not world.done:
        world.advance(agent.compute_trajectory(world.observe()))
    found = judge_log(world)
    assert found.more["left_log"] == 1.0 and 0.0 < found.more["within_log_s"] < 10.0
    assert world.farthest >= world.distance > 2.0
    assert found.values["score"] < 0.7


def test_what_cannot_be_driven_is_refused(log: Path, tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="no history"):
        LogWorld(log, 2, maps_root())
    with pytest.raises(DataError):
        LogWorld(tmp_path / "absent.pkl", 3, maps_root())
    with pytest.raises(UsageError, match="folder of sensor data"):
        LogWorld(log, 3, maps_root(), sensors=SensorConfig(True, *[False] * 8))
    world = LogWorld(log, 3, tmp_path, seconds=1.0)
    with pytest.raises(DataError, match="no plan yet"):
        world.advance()
    for action in (np.full((8, 3), np.nan), (1.0, 0.0)):
        with pytest.raises(DataError):
            world.advance(action)
    with pytest.raises(UsageError, match="multiples"):
        world.advance(np.zeros((8, 3)), 0.3)
    assert world.tick == 0
    world.advance(np.zeros((8, 3)), 1.0)
    assert world.done
    with pytest.raises(DataError):
        judge_log(world)  # there are no maps
