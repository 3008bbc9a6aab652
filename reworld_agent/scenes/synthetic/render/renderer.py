"""Version 6's cameras: every solid in a depth buffer, textures, weather, shadows and lamps.

A picture depends on a `Moment`, on nothing else of a drive: a closed loop renders the pose and the
traffic that it has come to. 448 x 256 pixels take some 10 ms of one core.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.drive import Drive, Moment
from reworld_agent.scenes.synthetic.render import glow, raster
from reworld_agent.scenes.synthetic.render.air import random_air
from reworld_agent.scenes.synthetic.render.cameras import SENSORS, Sensor, calibration
from reworld_agent.scenes.synthetic.render.ground import RESOLUTION
from reworld_agent.scenes.synthetic.render.ground import Ground as PaintedGround
from reworld_agent.scenes.synthetic.render.library import (
    BRAKES,
    LIGHTS,
    Library,
    Things,
    build_library,
    join_libraries,
    join_things,
)
from reworld_agent.scenes.synthetic.render.props import Placed, Stage, fixed_things
from reworld_agent.scenes.synthetic.render.scene import Ground, Scene
from reworld_agent.scenes.synthetic.render.shade import shade
from reworld_agent.scenes.synthetic.render.shapes import Shape

Image = NDArray[np.uint8]
LEVELS = 7  # of the ground: 0.125 m to 8 m a pixel
MOST_POLYGONS = 40_000  # in one picture


class TownRenderer:
    """Paints what the cameras of one drive see."""

    def __init__(self, drive: Drive) -> None:
        self.drive = drive
        self.sensor = SENSORS[drive.plan.version]
        rng = np.random.default_rng([drive.plan.seed, drive.index, 77])
        self.weather, self.air = random_air(rng)
        town = drive.net.plan.key
        self.ground = _packed_ground(town)
        self.stage = Stage(drive, walled=True)
        self.library, self.fixed = _fixed_library(town)
        self._numbers: dict[int, int] = {}  # of the shapes that come and go, by identity
        self._shapes: list[Shape] = []
        self._canvas = raster.new_canvas(self.sensor.width, self.sensor.height, MOST_POLYGONS)
        self._picture = np.empty((self.sensor.height, self.sensor.width, 3), np.float32)

    def image(self, camera: str, step: int) -> Image:
        """The image [height, width, 3] (BGR) of a camera at a simulation step of the drive."""
        return self.picture(camera, self.drive.moment(step))

    def picture(self, camera: str, moment: Moment) -> Image:
        """The image [height, width, 3] (BGR) of a camera of ego, wherever ego then is."""
        things = join_things(self.fixed, self._movable(self.stage.movable(moment)))
        pose = camera_pose(camera, self.sensor, moment.ego)
        scene = Scene(self.library, things, self.ground, self.air, pose, moment.ego)
        canvas, picture = self._canvas, self._picture
        canvas.nearness[:], canvas.owner[:], canvas.shade[:] = 0.0, -1, 0
        if self.air.sunlit > 0.0:
            slope = -self.air.sun[:2] / self.air.sun[2]
            raster.cast_shadows(canvas, self.library, things, pose, slope)
        drawn = raster.draw(canvas, self.library, things, pose)
        shade(canvas, scene, drawn, picture)
        glow.add_lamps(canvas, self.library, things, self.air, pose, drawn, picture)
        if self.air.wet > 0.0:
            glow.add_rain(picture, self.air.wet, round(moment.time * 1000.0) + self.drive.index)
        image = np.empty(picture.shape, np.uint8)
        glow.develop(picture, image)
        return image

    def _movable(self, placed: list[Placed]) -> Things:
        """The things of a moment; shapes not seen before are added to the library."""
        new = [t.shape for t in placed if id(t.shape) not in self._numbers]
        for shape in new:
            if id(shape) not in self._numbers:
                self._numbers[id(shape)] = len(self.library.billboard)
                self._shapes.append(shape)  # kept, so that the identity is not given again
                self.library = join_libraries(self.library, build_library([shape]))
        return Things(
            np.array([self._numbers[id(t.shape)] for t in placed], np.int32),
            np.array([(t.x, t.y, t.heading) for t in placed], float).reshape(-1, 3),
            np.array([LIGHTS + BRAKES * t.braking for t in placed], np.int32),
        )


def camera_pose(camera: str, sensor: Sensor, ego: NDArray[np.float64]) -> raster.Pose:
    """Where a camera of ego is in the town; `ego` [3] is x, y, heading of the rear axle."""
    mount = calibration(camera, sensor)
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    position = turn @ mount.translation + np.array([ego[0], ego[1], 0.0])
    return raster.Pose(position, turn @ mount.rotation, sensor.focal, sensor.width, sensor.height)


@lru_cache(maxsize=2)
def _fixed_library(town: str) -> tuple[Library, Things]:
    """What always stands in a town."""
    things, _ = fixed_things(town, walled=True)
    return build_library([t.shape for t in things]), Things(
        np.arange(len(things), dtype=np.int32),
        np.array([(t.x, t.y, t.heading) for t in things]),
        np.zeros(len(things), np.int32),
    )


@lru_cache(maxsize=2)
def _packed_ground(town: str) -> Ground:
    """The ground's picture and its reductions in one array."""
    ground = PaintedGround(town)
    levels = list(ground.levels)
    while len(levels) < LEVELS:
        levels.append(cv2.pyrDown(levels[-1]))
    sizes = np.array([level.shape[:2] for level in levels])
    first = np.concatenate([[0], np.cumsum(sizes[:, 0] * sizes[:, 1])])[:-1]
    beyond = levels[-1][0, 0].astype(float)
    pixels = np.concatenate([level.reshape(-1, 3) for level in levels])
    return Ground(
        pixels, first, sizes[:, 0].copy(), sizes[:, 1].copy(), ground.origin, RESOLUTION, beyond
    )
