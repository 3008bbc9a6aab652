"""The ego box of a rear-axle pose as PDM-Closed and the map queries see it."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.pdm.world.geometry import HALF_LENGTH, HALF_WIDTH, REAR_AXLE_TO_CENTER


def ego_center(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rear-axle pose [3] → centre of the ego box [2] (m, global)."""
    heading = np.array([np.cos(pose[2]), np.sin(pose[2])])
    return pose[:2] + REAR_AXLE_TO_CENTER * heading


def ego_polygon(pose: NDArray[np.float64]) -> shapely.Polygon:
    """Rear-axle pose [3] → the ego box (m, global)."""
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    ahead, left = np.array([cos, sin]) * HALF_LENGTH, np.array([-sin, cos]) * HALF_WIDTH
    center = ego_center(pose)
    corners = [center + ahead + left, center - ahead + left]
    corners += [center - ahead - left, center + ahead - left]
    return shapely.Polygon(corners)
