"""The plan on the image: projection against formulas written out here, and what cannot be drawn."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from reworld_agent.analysis.figures import camera
from reworld_agent.core.errors import DataError
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.scenes.sensors import Camera
from tests.analysis.runs import constant_velocity

FORWARD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def make(distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)) -> Camera:
    """A camera 1.7 m ahead of the rear axle, 1.5 m above the road, looking forward."""
    return Camera(
        image=np.zeros((360, 640, 3), np.uint8),
        sensor2lidar_rotation=FORWARD,
        sensor2lidar_translation=np.array([1.7, 0.0, 1.5]),
        intrinsics=np.array([[500.0, 0.0, 320.0], [0.0, 510.0, 180.0], [0.0, 0.0, 1.0]]),
        distortion=np.array(distortion),
    )


def test_pinhole() -> None:
    points = np.array([[11.7, 2.0, 0.0], [21.7, -3.0, 1.5]])
    expected = [[320 - 500 * 2 / 10, 180 + 510 * 1.5 / 10], [320 + 500 * 3 / 20, 180]]
    np.testing.assert_allclose(camera.project(make(), points), expected, atol=1e-9)


def test_distortion_is_opencvs_model() -> None:
    k1, k2, p1, p2, k3 = coefficients = (-0.35, 0.17, 1e-3, -2e-3, -0.03)
    x, y = -2.0 / 10, 1.5 / 10
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    got = camera.project(make(coefficients), np.array([[11.7, 2.0, 0.0]]))
    np.testing.assert_allclose(got, [[320 + 500 * u, 180 + 510 * v]], atol=1e-9)


def test_a_turned_camera() -> None:
    """Looking to the left, what lies left is straight ahead."""
    own = make()
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    own.sensor2lidar_rotation = turn @ FORWARD
    np.testing.assert_allclose(
        camera.project(own, np.array([[1.7, 8.0, 1.5]])), [[320, 180]], atol=1e-9
    )


def test_what_is_behind_or_far_aside_is_not_drawn() -> None:
    points = np.array([[1.0, 0.0, 0.0], [-5.0, 0.0, 0.0], [2.5, 40.0, 0.0]])
    assert np.isnan(camera.project(make((-0.35, 0.17, 0, 0, 0)), points)).all()


def test_road_height_is_the_underside_of_what_is_near() -> None:
    box = [5.0, 0.0, 0.45, 4.0, 2.0, 1.7, 0.0]
    far = [90.0, 0.0, 9.0, 4.0, 2.0, 1.7, 0.0]
    assert camera.road_height(np.array([box, box, far])) == pytest.approx(-0.4)
    assert camera.road_height(np.empty((0, 7))) == 0.0


def test_picture_of_a_scene(caches: SceneCaches, tokens: list[str]) -> None:
    view = camera.load_front(caches.data_root, caches.data_split, tokens[0])
    cache = caches.get(tokens[0])
    assert view.size == (640, 360) and view.road_m == pytest.approx(0.0, abs=0.05)
    axes = Figure().add_subplot()
    camera.draw(axes, view, cache, constant_velocity(cache))
    assert axes.images and axes.lines and axes.get_ylim() == (360, 0)


def test_missing_image_and_missing_calibration(
    caches: SceneCaches, tokens: list[str], tmp_path: Path
) -> None:
    logs = tmp_path / "navsim_logs" / "x"
    logs.mkdir(parents=True)
    source = next((caches.data_root / "navsim_logs" / caches.data_split).glob("*.pkl"))
    frames = pickle.loads(source.read_bytes())
    (logs / source.name).write_bytes(source.read_bytes())
    token = str(frames[3]["token"])
    with pytest.raises(DataError, match="is missing"):
        camera.load_front(tmp_path, "x", token)
    frames[3]["cams"]["CAM_F0"]["cam_intrinsic"] = None
    blobs = tmp_path / "sensor_blobs"
    blobs.mkdir()
    (blobs / "x").symlink_to(caches.data_root / "sensor_blobs" / caches.data_split)
    (logs / source.name).write_bytes(pickle.dumps(frames))
    with pytest.raises(DataError, match=f"{token}: CAM_F0 has no usable intrinsics"):
        camera.load_front(tmp_path, "x", token)
