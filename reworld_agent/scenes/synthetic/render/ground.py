"""The town's ground, painted once from above: grass, pavements, asphalt, markings.

Cameras look at it through the homography of the plane z = 0, so every marking is in the place that
the map says, seen through the stored calibration.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.geometry import Array
from reworld_agent.scenes.synthetic.town.network import Network, build_network
from reworld_agent.scenes.synthetic.town.scenery import build_scenery

RESOLUTION = 0.125  # m per pixel
BORDER = 70.0  # m of grass around the town
SHIFT = 4  # fractional bits of cv2's coordinates
GRASS = (78, 128, 96)  # BGR
WHITE, YELLOW = (225, 226, 226), (70, 178, 214)
Colour = tuple[int, int, int]
Image = NDArray[np.uint8]


class Palette(NamedTuple):
    """Colours of the ground (BGR); the defaults are version 5's."""

    grass: Colour = GRASS
    pavement: Colour = (152, 156, 162)
    kerb: Colour = (192, 194, 196)
    asphalt: Colour = (84, 82, 80)
    lot: Colour = (96, 94, 92)
    cycle_lane: Colour = (86, 84, 118)
    junction: Colour = (80, 78, 77)


PALETTES = (  # by TownStyle.palette
    Palette(),
    Palette((66, 118, 92), (140, 150, 164), (178, 184, 190), (94, 94, 94), (104, 104, 104)),
    Palette((92, 138, 128), (160, 166, 172), (200, 200, 200), (76, 74, 72), (88, 88, 88)),
    Palette(
        (104, 150, 160),
        (164, 172, 180),
        (206, 206, 206),
        (104, 102, 98),
        (112, 110, 106),
        (120, 98, 84),
        (98, 96, 92),
    ),
    Palette(
        (60, 104, 78),
        (124, 132, 150),
        (170, 172, 178),
        (70, 70, 72),
        (82, 82, 84),
        (80, 110, 84),
        (68, 68, 70),
    ),
    Palette((84, 142, 104), (150, 152, 156), (190, 190, 190), (90, 86, 82), (98, 94, 90)),
)


class Ground:
    """The painted plane of one town.

    Attributes:
        levels: the picture at RESOLUTION, and at half and a quarter of it.
        origin: local coordinates (m) of the first pixel's centre; rows run along +y.
    """

    def __init__(self, town: str) -> None:
        net, scenery = build_network(town), build_scenery(town)
        palette = PALETTES[net.plan.style.palette]
        bounds = shapely.total_bounds(np.array(scenery.asphalt))
        self.origin = bounds[:2] - BORDER
        size = np.ceil((bounds[2:] - bounds[:2] + 2 * BORDER) / RESOLUTION).astype(int)
        self._picture = np.empty((size[1], size[0], 3), np.uint8)
        self._picture[:] = palette.grass
        self._areas(scenery.walkways, palette.pavement)
        for polygons, colour in (
            (scenery.asphalt, palette.asphalt),
            (scenery.carparks, palette.lot),
            (scenery.cycle_lanes, palette.cycle_lane),
            ([j.polygon for j in net.junctions], palette.junction),
        ):
            self._areas(polygons, colour)
        self._areas(islands := [j.island_area for j in net.junctions if j.island], palette.grass)
        self._kerbs([*scenery.asphalt, *scenery.carparks], islands, palette.kerb)
        self._markings(net, scenery.bays)
        self._grain()
        self.levels = [self._picture]
        for _ in range(2):
            self.levels.append(cv2.pyrDown(self.levels[-1]))

    def _pixels(self, points: Array) -> NDArray[np.int32]:
        return np.round((points - self.origin) / RESOLUTION * (1 << SHIFT)).astype(np.int32)

    def _areas(self, polygons: Iterable[shapely.Geometry], colour: Colour) -> None:
        for part in shapely.get_parts(np.array(list(polygons))):
            rings = [part.exterior, *part.interiors]
            points = [self._pixels(np.asarray(ring.coords)) for ring in rings]
            cv2.fillPoly(self._picture, points, colour, cv2.LINE_AA, SHIFT)

    def _line(self, points: Array, width: float, colour: Colour) -> None:
        ring = geo.ribbon(points, width / 2, -width / 2)
        cv2.fillPoly(self._picture, [self._pixels(ring)], colour, cv2.LINE_AA, SHIFT)

    def _kerbs(
        self, polygons: list[shapely.Polygon], islands: list[shapely.Polygon], colour: Colour
    ) -> None:
        union = shapely.union_all(polygons).buffer(0.05)
        if islands:
            union = union.difference(shapely.union_all(islands))
        for part in shapely.get_parts(shapely.boundary(union)):
            pixels = self._pixels(np.asarray(part.coords))
            cv2.polylines(self._picture, [pixels], True, colour, 2, cv2.LINE_AA, SHIFT)

    def _markings(self, net: Network, bays: list[Array]) -> None:
        for block in net.blocks.values():
            if block.forward:
                for side in (0.14, -0.14):
                    self._line(geo.offset(block.center_line, side), 0.12, YELLOW)
            for lane in block.lanes[:-1]:
                self._dashes(lane.right[1])
            self._line(block.lanes[-1].right[1], 0.12, WHITE)
        for stop in net.stop_lines.values():
            self._line(stop.line, 0.45, WHITE)
        for crosswalk in net.crosswalks:
            self._zebra(crosswalk.line)
        for bay in bays:
            self._line(bay, 0.1, WHITE)
        self._arrows(net)

    def _dashes(self, line: Array) -> None:
        length = float(geo.arc_length(line)[-1])
        for s in np.arange(1.0, length - 3.0, 7.0):
            self._line(geo.at_distance(line, np.linspace(s, s + 3.0, 4)), 0.13, WHITE)

    def _zebra(self, line: Array) -> None:
        length = float(np.hypot(*(line[1] - line[0])))
        along = (line[1] - line[0]) / length
        across = np.array([-along[1], along[0]]) * 1.5
        for s in np.arange(1.6, length - 1.4, 1.1):
            middle = line[0] + along * s
            self._line(np.stack([middle - across, middle + across]), 0.5, WHITE)

    def _arrows(self, net: Network) -> None:
        """An arrow for every way that leads on from a lane."""
        for fid, ways in net.outgoing.items():
            lane = net.lanes[fid]
            back = lane.center[::-1]
            base = geo.at_distance(back, net.stop_lines[lane.block].back + 9.0)
            heading = float(geo.headings(lane.center)[-12])
            for kind in sorted({way.kind for way in ways}):  # a set has no order of its own
                self._arrow(base, heading, {"left": 1.0, "straight": 0.0, "right": -1.0}[kind])

    def _arrow(self, base: Array, heading: float, side: float) -> None:
        ahead, left = geo.unit(heading), geo.unit(heading + np.pi / 2)
        knee = base + ahead * 1.8
        tip_way = ahead if side == 0.0 else left * side
        tip = knee + tip_way * (1.6 if side == 0.0 else 0.9)
        self._line(np.stack([base, knee]), 0.16, WHITE)
        self._line(np.stack([knee, tip]), 0.16, WHITE)
        wing = np.array([-tip_way[1], tip_way[0]]) * 0.35
        head = np.stack([tip - wing, tip + wing, tip + tip_way * 0.9])
        cv2.fillPoly(self._picture, [self._pixels(head)], WHITE, cv2.LINE_AA, SHIFT)

    def _grain(self) -> None:
        """Fine grain and large stains, so that a plain surface still shows its motion."""
        rng = np.random.default_rng(3)
        fine = rng.normal(0.0, 5.0, (1024, 1024)).astype(np.float32)
        coarse = cv2.resize(rng.normal(0.0, 6.0, (64, 64)).astype(np.float32), (1024, 1024))
        tile = np.round(cv2.GaussianBlur(fine, (3, 3), 0.8) * 1.6 + coarse)
        darker, lighter = ((np.clip(sign * tile, 0, 40)).astype(np.uint8) for sign in (-1, 1))
        for y in range(0, len(self._picture), 1024):
            for x in range(0, self._picture.shape[1], 1024):
                block = self._picture[y : y + 1024, x : x + 1024]
                h, w = block.shape[:2]
                cv2.add(block, cv2.merge([lighter[:h, :w]] * 3), dst=block)
                cv2.subtract(block, cv2.merge([darker[:h, :w]] * 3), dst=block)

    def to_local(self, level: int) -> Array:
        """[3, 3] from homogeneous pixels of a level to local coordinates (m)."""
        size = RESOLUTION * 2**level
        return np.array([[size, 0.0, self.origin[0]], [0.0, size, self.origin[1]], [0.0, 0.0, 1.0]])


@lru_cache(maxsize=2)
def build_ground(town: str) -> Ground:
    """The ground of a town."""
    return Ground(town)
