"""The eight cameras of ego: where they sit, and their pinhole calibration.

A camera's axes are x right, y down, z forward; its pose is given as camera -> ego (rear axle,
x forward, y left, z up), which NAVSIM's logs call sensor2lidar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reworld_agent.scenes.synthetic.town.geometry import Array

NUPLAN_WIDTH, NUPLAN_FOCAL = 1920, 1545.0  # px
MOUNTS = {  # x, y, z (m), yaw (degrees, left positive)
    "CAM_F0": (1.70, 0.00, 1.55, 0.0),
    "CAM_L0": (1.60, 0.45, 1.55, 55.0),
    "CAM_R0": (1.60, -0.45, 1.55, -55.0),
    "CAM_L1": (1.05, 0.50, 1.55, 105.0),
    "CAM_R1": (1.05, -0.50, 1.55, -105.0),
    "CAM_L2": (0.20, 0.50, 1.55, 145.0),
    "CAM_R2": (0.20, -0.50, 1.55, -145.0),
    "CAM_B0": (-0.60, 0.00, 1.60, 180.0),
}
CAMERAS = tuple(MOUNTS)


@dataclass(frozen=True)
class Sensor:
    """Size of the pictures (px); the lens is nuPlan's."""

    width: int
    height: int

    @property
    def focal(self) -> float:
        """Focal length (px)."""
        return NUPLAN_FOCAL * self.width / NUPLAN_WIDTH


SENSORS = {"5": Sensor(640, 360), "6": Sensor(448, 256)}  # by version of the town
WIDTH, HEIGHT, FOCAL = SENSORS["5"].width, SENSORS["5"].height, SENSORS["5"].focal


@dataclass(frozen=True)
class Calibration:
    """One camera."""

    rotation: Array  # [3, 3], camera -> ego
    translation: Array  # [3] m, in ego's frame
    intrinsic: Array  # [3, 3] px
    distortion: Array  # [5], OpenCV; none here


def calibration(name: str, sensor: Sensor = SENSORS["5"]) -> Calibration:
    """The calibration of the camera `name`, a key of MOUNTS."""
    x, y, z, yaw = MOUNTS[name]
    cos, sin = np.cos(np.deg2rad(yaw)), np.sin(np.deg2rad(yaw))
    rotation = np.array([[sin, 0.0, cos], [-cos, 0.0, sin], [0.0, -1.0, 0.0]])
    intrinsic = np.array(
        [[sensor.focal, 0.0, sensor.width / 2], [0.0, sensor.focal, sensor.height / 2], [0, 0, 1.0]]
    )
    return Calibration(rotation, np.array([x, y, z]), intrinsic, np.zeros(5))
