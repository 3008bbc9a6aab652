"""Data classes: shapes, dtypes, frames, and the devkit's two kinds of ego pose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.scenes.geometry import quaternion_yaw, relative_poses
from reworld_agent.scenes.pcd import read_pcd
from reworld_agent.scenes.types import (
    AgentInput,
    Scene,
    SensorConfig,
    Trajectory,
    TrajectorySampling,
)
from tests.scenes.small_logs import make_log, write_images

NO_SENSORS = SensorConfig.build_no_sensors()
FRONT = SensorConfig(**{**NO_SENSORS.__dict__, "cam_f0": [0, 1, 2, 3]})


def test_agent_input_is_local_float32_and_scene_global_float64() -> None:
    frames = make_log("a", 14, speed=6.0, yaw_rate=0.2)
    agent_input = AgentInput.from_scene_dict_list(frames, Path(), 4, NO_SENSORS)
    scene = Scene.from_scene_dict_list(frames, Path(), 4, 10, NO_SENSORS)
    present = agent_input.ego_statuses[-1]
    np.testing.assert_array_equal(present.ego_pose, np.zeros(3, np.float32))
    assert present.ego_pose.dtype == np.float32
    assert present.ego_velocity.dtype == present.ego_acceleration.dtype == np.float32
    assert not present.in_global_frame
    assert agent_input.ego_statuses[0].ego_pose[0] < 0.0  # the past lies behind
    assert agent_input.cameras[0].cam_f0.image is None
    assert scene.frames[3].ego_status.in_global_frame
    np.testing.assert_allclose(
        scene.frames[3].ego_status.ego_pose, [1000 + 30 * np.sin(0.3), 2000 + 30 * 0.0446635, 0.3]
    )
    from_scene = scene.get_agent_input()
    assert from_scene.ego_statuses[0].ego_pose.dtype == np.float64
    np.testing.assert_allclose(
        from_scene.ego_statuses[0].ego_pose, agent_input.ego_statuses[0].ego_pose, atol=1e-6
    )


def test_future_of_a_circle_is_a_circle() -> None:
    scene = Scene.from_scene_dict_list(
        make_log("a", 14, speed=6.0, yaw_rate=0.2), Path(), 4, 10, NO_SENSORS
    )
    future = scene.get_future_trajectory(8)
    angle = 0.2 * 0.5 * np.arange(1, 9)
    expected = np.stack([30 * np.sin(angle), 30 * (1 - np.cos(angle)), angle], axis=-1)
    np.testing.assert_allclose(future.poses, expected, atol=1e-9)
    assert future.trajectory_sampling == TrajectorySampling(time_horizon=4, interval_length=0.5)
    assert scene.get_future_trajectory().poses.shape == (10, 3)
    assert scene.get_history_trajectory().poses.shape == (4, 3)
    with pytest.raises(SceneError, match="has 10 future frames, 12 are asked for"):
        scene.get_future_trajectory(12)


def test_images_are_rgb_of_the_frames_asked_for(tmp_path: Path) -> None:
    frames = make_log("a", 14)
    blobs = write_images(tmp_path, frames)
    agent_input = AgentInput.from_scene_dict_list(frames, blobs, 4, FRONT)
    for index, cameras in enumerate(agent_input.cameras):
        image = cameras.cam_f0.image
        assert image is not None
        assert image.shape == (18, 32, 3)
        assert image.dtype == np.uint8
        assert abs(int(image[0, 0, 0]) - index) <= 1
    scene = Scene.from_scene_dict_list(frames, blobs, 4, 10, FRONT)
    assert scene.frames[4].cameras.cam_f0.image is None


@pytest.mark.parametrize("fault", ["missing", "cut", "size"])
def test_bad_images_are_named(tmp_path: Path, fault: str) -> None:
    frames = make_log("a", 14)
    blobs = write_images(tmp_path, frames, size=(320, 180))
    path = blobs / frames[2]["cams"]["CAM_F0"]["data_path"]
    if fault == "missing":
        path.unlink()
    elif fault == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    else:
        write_images(tmp_path, frames[2:3], size=(64, 36))
    message = {"missing": "is missing", "cut": "is damaged", "size": "64x36.*320x180"}[fault]
    with pytest.raises(DataError, match=message) as caught:
        AgentInput.from_scene_dict_list(frames, blobs, 4, FRONT)
    assert frames[2]["token"] in str(caught.value)
    assert path.name in str(caught.value)


def test_point_clouds_are_float32_and_cut_ones_named(tmp_path: Path) -> None:
    row = np.dtype([*((n, "<f4") for n in "xyz"), *((n, "u1") for n in ("i", "r", "l"))])
    points = np.array([(1.5, -2.0, 0.25, 7, 3, 1), (9.0, 8.0, 7.0, 255, 0, 4)], dtype=row)
    header = (
        b"# .PCD v0.7\nVERSION 0.7\nFIELDS x y z intensity ring lidar_info\nSIZE 4 4 4 1 1 1\n"
        b"TYPE F F F U U U\nCOUNT 1 1 1 1 1 1\nWIDTH 2\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\n"
        b"POINTS 2\nDATA binary\n"
    )
    path = tmp_path / "a.pcd"
    path.write_bytes(header + points.tobytes())
    cloud = read_pcd(path)
    assert cloud.dtype == np.float32
    np.testing.assert_array_equal(cloud.T, [(1.5, -2.0, 0.25, 7, 3, 1), (9.0, 8.0, 7.0, 255, 0, 4)])
    path.write_bytes((header + points.tobytes())[:-3])
    with pytest.raises(DataError, match=r"a\.pcd: not a whole binary PCD"):
        read_pcd(path)


def test_sensor_config_lists_true_and_false() -> None:
    config = SensorConfig(True, [3], False, False, False, False, False, False, [0, 4])
    assert config.get_sensors_at_iteration(0) == ["cam_f0", "lidar_pc"]
    assert config.get_sensors_at_iteration(3) == ["cam_f0", "cam_l0"]
    assert len(SensorConfig.build_all_sensors().get_sensors_at_iteration(9)) == 9
    assert NO_SENSORS.get_sensors_at_iteration(0) == []


def test_trajectory_checks_its_shape() -> None:
    assert Trajectory(np.zeros((8, 3))).trajectory_sampling.time_horizon == 4.0
    assert Trajectory(np.zeros((40, 3)), TrajectorySampling(40, 4.0)).poses.shape == (40, 3)
    for shape in ((7, 3), (8, 2), (8,), (1, 8, 3)):
        with pytest.raises(DataError, match="its sampling asks for"):
            Trajectory(np.zeros(shape))


def test_sampling_completes_and_refuses() -> None:
    assert TrajectorySampling(num_poses=8, interval_length=0.5).time_horizon == 4.0
    assert TrajectorySampling(num_poses=40, time_horizon=4).interval_length == 0.1
    assert TrajectorySampling(time_horizon=4, interval_length=0.1).num_poses == 40
    assert hash(TrajectorySampling(8, 4.0)) == hash(TrajectorySampling(8, interval_length=0.5))
    for bad in ({"num_poses": 8}, {"time_horizon": 4.0, "interval_length": 0.3}, {}):
        with pytest.raises(ValueError, match=r"setting|multiple"):
            TrajectorySampling(**bad)
    with pytest.raises(ValueError, match="contradict"):
        TrajectorySampling(8, 4.0, 0.4)
    with pytest.raises(ValueError, match="int"):
        TrajectorySampling(num_poses=8.0, time_horizon=4.0)  # type: ignore[arg-type]  # a count is no float


def test_geometry_near_half_turns() -> None:
    assert quaternion_yaw([0.0, 0.0, 0.0, 2.0]) == pytest.approx(np.pi)
    poses = np.array([[0.0, 0.0, -3.0], [1.0, 0.0, 3.0]])
    local = relative_poses(np.array([0.0, 0.0, 3.0]), poses)
    np.testing.assert_allclose(local[:, 2], [2 * np.pi - 6.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(local[1, :2], [np.cos(3.0), -np.sin(3.0)])
