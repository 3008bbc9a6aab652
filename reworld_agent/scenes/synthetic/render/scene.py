"""What a picture is made of, as the kernels read it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.render.library import Library, Things
from reworld_agent.scenes.synthetic.render.raster import Pose
from reworld_agent.scenes.synthetic.town.geometry import Array


class Air(NamedTuple):
    """Light and weather of one drive."""

    zenith: Array  # [3] BGR 0 to 255
    horizon: Array
    sun: Array  # [3] towards it
    ambient: float  # light from everywhere
    direct: float  # light from the sun
    sunlit: float  # by which shadows on the ground are darker than its light
    haze: float  # m: distance at which contrast falls to 1/e
    night: float  # 0 by day, 1 at night
    wet: float  # 0 or 1: rain
    clouds: float  # contrast of the sky


class Ground(NamedTuple):
    """The painted plane: the picture at falling sizes, all in one array."""

    pixels: NDArray[np.uint8]  # [K, 3], level after level, row by row
    first: NDArray[np.int64]  # [L]
    height: NDArray[np.int64]
    width: NDArray[np.int64]
    origin: Array  # [2] m, of the first pixel's centre
    size: float  # m per pixel of level 0
    beyond: Array  # [3], colour outside


class Scene(NamedTuple):
    """All that a camera may see, and from where."""

    library: Library
    things: Things
    ground: Ground
    air: Air
    pose: Pose
    ego: Array  # [3] x, y, heading: where the headlights are
