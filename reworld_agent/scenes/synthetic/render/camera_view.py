"""What a camera of ego sees: sky, the painted ground through a homography, solids as polygons.

Everything is projected by the stored calibration (pinhole, camera x right, y down, z forward), far
things first. A frame of 640 x 360 takes some 10 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.drive import Drive
from reworld_agent.scenes.synthetic.render.cameras import (
    FOCAL,
    HEIGHT,
    WIDTH,
    Calibration,
    calibration,
)
from reworld_agent.scenes.synthetic.render.ground import GRASS, Ground, build_ground
from reworld_agent.scenes.synthetic.render.props import Placed, Stage
from reworld_agent.scenes.synthetic.town.geometry import Array

Image = NDArray[np.uint8]
NEAR = 0.25  # m before the camera, where polygons are cut
SMALLEST = 0.2  # px: what is narrower is left out
BOUND = 1 << 17  # of cv2's coordinates
SHIFT = 3  # fractional bits of cv2's coordinates
HAZE_DISTANCE = 260.0  # m
AMBIENT, DIRECT = 0.72, 0.34
BRAKE_LIGHT = np.array([60.0, 50.0, 255.0])
# ground distances (m) between the bands, level of the ground picture, samples per row
BANDS = ((0.0, 14.0, 0, 1), (14.0, 38.0, 0, 2), (38.0, 400.0, 1, 4))


@dataclass(frozen=True)
class Weather:
    """Light and sky of one drive."""

    zenith: Array  # BGR
    horizon: Array
    sun: Array  # [3], unit vector towards the sun
    gain: float  # exposure

    @classmethod
    def random(cls, rng: np.random.Generator) -> Weather:
        """Clear, hazy or grey."""
        skies = (
            ((205, 150, 95), (232, 214, 190)),
            ((190, 165, 140), (226, 220, 212)),
            ((168, 162, 158), (206, 204, 202)),
            ((170, 140, 120), (190, 210, 238)),
        )
        zenith, horizon = skies[int(rng.integers(len(skies)))]
        azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.1)
        sun = np.array(
            [np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)]
        )
        return cls(np.array(zenith, float), np.array(horizon, float), sun, rng.uniform(0.86, 1.05))


class Renderer:
    """Paints the images of one drive."""

    def __init__(self, drive: Drive) -> None:
        self.drive = drive
        self.weather = Weather.random(np.random.default_rng([drive.plan.seed, drive.index, 77]))
        self.ground: Ground = build_ground(drive.net.plan.key)
        self.stage = Stage(drive)
        self.gradient = self._gradient()

    def image(self, camera: str, step: int) -> Image:
        """The image [HEIGHT, WIDTH, 3] (BGR) of a camera at a simulation step."""
        view = View(calibration(camera), self.drive.ego_pose(step))
        picture = self._sky(view)
        self._paint_ground(view, picture)
        self._paint_solids(view, picture, self.stage.at(step, view.position[:2], view.axis))
        return picture

    def _gradient(self) -> Image:
        """The sky without hills; grass below the horizon."""
        weather = self.weather
        rows = np.linspace(1.0, 0.0, HEIGHT // 2)[:, None] ** 0.8
        colours = weather.horizon + rows * (weather.zenith - weather.horizon)
        picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        picture[: HEIGHT // 2] = (colours * weather.gain).clip(0, 255)[:, None]
        picture[HEIGHT // 2 :] = np.array(GRASS) * 0.8
        return picture

    def _sky(self, view: View) -> Image:
        """A gradient and two lines of far hills that turn with the camera."""
        weather, picture = self.weather, self.gradient.copy()
        columns = np.arange(0, WIDTH + 16, 16.0)
        bearing = view.yaw - np.arctan((columns - WIDTH / 2) / FOCAL)
        for scale, height, mix in ((1.0, 26.0, 0.35), (2.3, 14.0, 0.6)):
            wave = np.sin(3 * scale * bearing) + 0.6 * np.sin(7 * scale * bearing + 1.3)
            wave = wave + 0.25 * np.sin(17 * scale * bearing)
            crest = HEIGHT / 2 - height * (0.75 + 0.3 * wave)
            ring = [[0.0, HEIGHT / 2 + 1], *zip(columns, crest, strict=True)]
            ring = [*ring, [columns[-1], HEIGHT / 2 + 1]]
            colour = weather.horizon * (1 - mix) + np.array([96.0, 104.0, 84.0]) * mix
            points = np.round(np.array(ring) * (1 << SHIFT)).astype(np.int32)
            cv2.fillPoly(picture, [points], _bgr(colour * weather.gain), cv2.LINE_AA, SHIFT)
        return picture

    def _paint_ground(self, view: View, picture: Image) -> None:
        horizon = int(view.calibration.intrinsic[1, 2])
        drop = view.position[2] * view.calibration.intrinsic[1, 1]
        for near, far, level, samples in BANDS:
            top = horizon + max(1, int(drop / far))
            bottom = HEIGHT if near == 0.0 else min(HEIGHT, horizon + int(drop / near))
            rows = bottom - top
            if rows <= 0:
                continue
            to_image = view.ground_homography() @ self.ground.to_local(level)
            stretch = np.diag([1.0, float(samples), 1.0])
            stretch[1, 2] = -samples * top + (samples - 1) / 2
            band = cv2.warpPerspective(
                self.ground.levels[level],
                stretch @ to_image,
                (WIDTH, rows * samples),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=GRASS,
            )
            if samples > 1:
                band = cv2.resize(band, (WIDTH, rows), interpolation=cv2.INTER_AREA)
            picture[top:bottom] = band
        ground = picture[horizon + 1 :]
        cv2.convertScaleAbs(ground, dst=ground, alpha=self.weather.gain)
        for row in range(horizon + 1, min(HEIGHT, horizon + 24)):
            haze = 1.0 - np.exp(-drop / (row - horizon) / HAZE_DISTANCE)
            mixed = picture[row] * (1 - haze) + self.weather.horizon * self.weather.gain * haze
            picture[row] = mixed

    def _paint_solids(self, view: View, picture: Image, things: list[Placed]) -> None:
        if not things:
            return
        distances = view.distances(things)
        order = np.argsort(-distances, kind="stable")
        points, colours, depth = self._gather(view, [things[k] for k in order], distances[order])
        haze = (1.0 - np.exp(-depth / HAZE_DISTANCE))[:, None]
        colours = (colours * (1 - haze) + self.weather.horizon * haze) * self.weather.gain
        shades = np.clip(colours, 0, 255).tolist()
        rings, kept = _project(view, points)
        for ring, k in zip(rings, kept, strict=True):
            cv2.fillConvexPoly(picture, ring, shades[k], cv2.LINE_AA, SHIFT)

    def _gather(
        self, view: View, things: list[Placed], distances: Array
    ) -> tuple[Array, Array, Array]:
        """Polygons [P, CORNERS, 3] in the camera's frame that face it, colours and distances."""
        shapes = [thing.shape for thing in things]
        owner = np.repeat(np.arange(len(things)), [len(shape.points) for shape in shapes])
        places = np.array(
            [(t.x, t.y, view.yaw if t.shape.billboard else t.heading) for t in things]
        )
        braking = np.array([thing.braking for thing in things])[owner]
        cos, sin = np.cos(places[:, 2])[owner], np.sin(places[:, 2])[owner]
        local = np.concatenate([shape.points for shape in shapes])
        world = np.empty_like(local)
        world[..., 0] = cos[:, None] * local[..., 0] - sin[:, None] * local[..., 1]
        world[..., 1] = sin[:, None] * local[..., 0] + cos[:, None] * local[..., 1]
        world[..., :2] += places[owner, None, :2]
        world[..., 2] = local[..., 2]
        normals = np.concatenate([shape.normals for shape in shapes])
        normals = np.stack(
            [
                cos * normals[:, 0] - sin * normals[:, 1],
                sin * normals[:, 0] + cos * normals[:, 1],
                normals[:, 2],
            ],
            -1,
        )
        facing = ((view.position - world[:, 0]) * normals).sum(-1) > 0.0
        seen = facing | np.concatenate([shape.two_sided for shape in shapes])
        light = AMBIENT + DIRECT * np.maximum(normals @ self.weather.sun, 0.0)
        light[np.concatenate([shape.bright for shape in shapes])] = 1.0
        colours = np.concatenate([shape.colours for shape in shapes]) * light[:, None]
        colours[braking & np.concatenate([shape.brake for shape in shapes])] = BRAKE_LIGHT
        return view.to_camera(world[seen]), colours[seen], distances[owner[seen]]


def _project(view: View, points: Array) -> tuple[list[NDArray[np.int32]], NDArray[np.int_]]:
    """Project polygons [P, CORNERS, 3] of the camera's frame into the picture.

    Returns:
        Those that are seen, as rings in cv2's fixed point, and which of the P they are.
    """
    z = points[..., 2]
    focal, center = view.calibration.intrinsic[0, 0], view.calibration.intrinsic[:2, 2]
    pixels = points[..., :2] / np.maximum(z, NEAR)[..., None] * focal + center
    whole = z.min(1) > NEAR
    low, high = pixels.min(1), pixels.max(1)
    inside = (high > 0).all(1) & (low < [WIDTH, HEIGHT]).all(1)
    inside &= (high - low > SMALLEST).all(1)
    cut = ~whole & (z.max(1) > NEAR)
    kept = np.flatnonzero((whole & inside) | cut)
    fixed = np.round(pixels[kept] * (1 << SHIFT)).clip(-BOUND, BOUND).astype(np.int32)
    rings = list(fixed)
    for place in np.flatnonzero(cut[kept]):
        ring = _clip(points[kept[place]]) * focal + center
        rings[place] = np.round(ring * (1 << SHIFT)).clip(-BOUND, BOUND).astype(np.int32)
    return rings, kept


class View:
    """A camera at a place in the town."""

    def __init__(self, calibration: Calibration, ego: Array) -> None:
        cos, sin = np.cos(ego[2]), np.sin(ego[2])
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        self.calibration = calibration
        self.rotation = turn @ calibration.rotation  # camera -> town
        self.position = turn @ calibration.translation + np.array([ego[0], ego[1], 0.0])
        self.axis = self.rotation[:2, 2]
        self.yaw = float(np.arctan2(self.axis[1], self.axis[0]))

    def to_camera(self, points: Array) -> Array:
        """Points [..., 3] of the town in the camera's frame."""
        return (points - self.position) @ self.rotation

    def ground_homography(self) -> Array:
        """[3, 3] from (x, y, 1) on the ground to homogeneous pixels."""
        world = self.rotation.T
        columns = np.stack([world[:, 0], world[:, 1], -world @ self.position], -1)
        return self.calibration.intrinsic @ columns

    def distances(self, things: list[Placed]) -> Array:
        """From the camera to the nearest point of each footprint [N] (m)."""
        x, y, heading, length, width = np.array(
            [(t.x, t.y, t.heading, *t.shape.half) for t in things]
        ).T
        dx, dy = self.position[0] - x, self.position[1] - y
        cos, sin = np.cos(heading), np.sin(heading)
        along = np.maximum(np.abs(cos * dx + sin * dy) - length, 0.0)
        across = np.maximum(np.abs(cos * dy - sin * dx) - width, 0.0)
        return np.hypot(along, across)


def _clip(points: Array) -> Array:
    """The part [K, 2] of a polygon before the plane z = NEAR, as x/z and y/z."""
    kept = []
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        if a[2] > NEAR:
            kept.append(a)
        if (a[2] > NEAR) != (b[2] > NEAR):
            kept.append(a + (b - a) * (NEAR - a[2]) / (b[2] - a[2]))
    ring = np.array(kept)
    return ring[:, :2] / np.maximum(ring[:, 2:], NEAR)


def _bgr(colour: Array) -> tuple[float, ...]:
    return tuple(float(c) for c in np.clip(colour, 0, 255))
