"""Cameras of other lenses: which stands for NAVSIM's, and how its pictures are painted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("carla_driver_interface", reason="the extra `loop` is not installed")

import cv2
from carla_driver_interface.protocol import OpenCVPinholeCameraParam, sensorsim_pb2

from reworld_agent.closed_loop.serving.cameras import choose_cameras
from reworld_agent.closed_loop.serving.lens import Repainting
from reworld_agent.scenes.synthetic.render.cameras import MOUNTS, Sensor
from tests.closed_loop.serving.client import camera, lens_of

WIDE = Sensor(320, 180)
FOCAL = 90.0


def _smooth(sensor: Sensor) -> Any:
    rows, columns = np.mgrid[: sensor.height, : sensor.width]
    waves = [np.sin(columns / 17 + k) + np.cos(rows / 13 - k) for k in range(3)]
    return (127 + 60 * np.stack(waves, -1)).astype(np.uint8)


def _wanted(image: Any, maps: tuple[Any, Any]) -> Any:
    return cv2.remap(image, *maps, cv2.INTER_LINEAR)


def _matrix(focal: float, sensor: Sensor) -> Any:
    return np.array([[focal, 0, sensor.width / 2], [0, focal, sensor.height / 2], [0, 0, 1.0]])


def _close(ours: Any, theirs: Any) -> None:
    off = np.abs(ours.astype(int) - theirs.astype(int))
    assert off.mean() < 0.2 and off.max() <= 4, (off.mean(), off.max())


def test_a_bent_pinhole_is_straightened_as_opencv_does() -> None:
    bends = (-0.12, 0.03, 0.001, -0.002, 0.004)
    lens = lens_of(
        camera(
            sensor=WIDE,
            opencv_pinhole_param=OpenCVPinholeCameraParam(
                focal_length_x=FOCAL,
                focal_length_y=FOCAL,
                principal_point_x=160,
                principal_point_y=90,
                radial_coeffs=[bends[0], bends[1], bends[4]],
                tangential_coeffs=bends[2:4],
            ),
        )
    )
    paint, image = Repainting(lens, 320, 180), _smooth(WIDE)
    maps = cv2.initUndistortRectifyMap(
        _matrix(FOCAL, WIDE), np.array(bends), np.eye(3), paint.intrinsics, (320, 180), cv2.CV_32F
    )
    assert not lens.like_navsim()
    _close(paint(image), _wanted(image, maps))


@pytest.mark.parametrize("backwards", [False, True])
def test_an_equidistant_f_theta_lens_is_opencvs_fisheye(backwards: bool) -> None:
    f_theta = sensorsim_pb2.FthetaCameraParam(
        principal_point_x=160, principal_point_y=90, max_angle=2.0
    )
    if backwards:
        f_theta.pixeldist_to_angle_poly.extend([0.0, 1 / FOCAL])
    else:
        f_theta.angle_to_pixeldist_poly.extend([0.0, FOCAL])
    lens = lens_of(camera(sensor=WIDE, ftheta_param=f_theta))
    fisheye = sensorsim_pb2.OpenCVFisheyeCameraParam(
        focal_length_x=FOCAL, focal_length_y=FOCAL, principal_point_x=160, principal_point_y=90
    )
    other = lens_of(camera(sensor=WIDE, opencv_fisheye_param=fisheye))
    paint, image = Repainting(lens, 320, 180), _smooth(WIDE)
    maps = cv2.fisheye.initUndistortRectifyMap(
        _matrix(FOCAL, WIDE), np.zeros(4), np.eye(3), paint.intrinsics, (320, 180), cv2.CV_32F
    )
    wanted = _wanted(image, maps)
    _close(paint(image), wanted)
    _close(Repainting(other, 320, 180)(image), wanted)
    assert lens.view == pytest.approx(2 * 160 / FOCAL, rel=1e-3) == other.view


def test_a_picture_that_was_scaled_shows_the_same() -> None:
    fisheye = sensorsim_pb2.OpenCVFisheyeCameraParam(
        focal_length_x=FOCAL, focal_length_y=FOCAL, principal_point_x=160, principal_point_y=90
    )
    lens = lens_of(camera(sensor=WIDE, opencv_fisheye_param=fisheye))
    image = _smooth(WIDE)
    half = cv2.resize(image, (160, 90), interpolation=cv2.INTER_AREA)
    whole = Repainting(lens, 320, 180)(image)
    painted = Repainting(lens, 160, 90)(half)
    shrunk = cv2.resize(whole, (160, 90), interpolation=cv2.INTER_AREA)
    off = np.abs(painted.astype(int) - shrunk.astype(int))[2:-2, 2:-2]
    assert off.mean() < 1.5


def _chosen(cameras: list[Any], wanted: tuple[str, ...], named: dict[str, str]) -> Any:
    lenses = {one.logical_id: lens_of(one) for one in cameras}
    found, fault = choose_cameras(wanted, lenses, named)
    return {name: lens.name for name, lens in found.items()}, fault


def test_navsims_own_names_are_taken() -> None:
    cameras = [camera(name, name) for name in MOUNTS]
    wanted = tuple(name.lower() for name in MOUNTS)
    assert _chosen(cameras, wanted, {}) == ({name: name.upper() for name in wanted}, "")


def test_of_cameras_that_look_there_the_narrowest_that_sees_enough() -> None:
    def pinhole(focal: float) -> Any:
        return OpenCVPinholeCameraParam(
            focal_length_x=focal, focal_length_y=focal, principal_point_x=160, principal_point_y=90
        )

    cameras = [
        camera("tele_30", "CAM_F0", WIDE, opencv_pinhole_param=pinhole(597)),
        camera("wide_120", "CAM_F0", WIDE, opencv_pinhole_param=pinhole(92)),
        camera("wide_70", "CAM_F0", WIDE, opencv_pinhole_param=pinhole(228)),
        camera("cross_left", "CAM_L0", WIDE, opencv_pinhole_param=pinhole(92)),
    ]
    assert _chosen(cameras, ("cam_f0", "cam_l0"), {}) == (
        {"cam_f0": "wide_70", "cam_l0": "cross_left"},
        "",
    )
    assert _chosen(cameras, ("cam_f0",), {"cam_f0": "tele_30"}) == ({"cam_f0": "tele_30"}, "")
    assert "(absent); it has cross_left" in _chosen(cameras, ("cam_f0",), {"cam_f0": "absent"})[1]
    assert "no camera for cam_b0" in _chosen(cameras, ("cam_b0",), {})[1]
