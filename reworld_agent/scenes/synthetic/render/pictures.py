"""The pictures of the town in the documentation.

`python -m reworld_agent.scenes.synthetic.render.pictures docs`
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.drive import STRIDE, Drive
from reworld_agent.scenes.synthetic.render.camera_view import Renderer
from reworld_agent.scenes.synthetic.rollout import make_drive
from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.scenery import build_scenery

Image = NDArray[np.uint8]
SPLIT = "town_test"
SHOWN = ((1, 30), (12, 70), (5, 100), (6, 40), (3, 60), (4, 20), (12, 40), (9, 60), (2, 110))
TILE = (560, 315)  # px
SCALE = 2.1  # px per metre of the plan
MARGIN = 26.0  # m around the streets
PAPER, HOUSE, TREE = (214, 224, 216), (150, 164, 178), (110, 168, 124)
WALK, ROAD, CYCLES, PARK = (226, 228, 230), (112, 110, 108), (122, 120, 160), (140, 136, 132)
CENTER, ROUTE, EGO = (90, 200, 235), (40, 40, 220), (40, 40, 220)
OTHER, PARKED, WALKER = (200, 120, 40), (170, 160, 150), (160, 40, 160)
INK, BAR_M = (40, 40, 40), 50
LEGEND = {
    "ego and its way": EGO,
    "traffic": OTHER,
    "parked": PARKED,
    "people": WALKER,
    "road": ROAD,
    "centre line": CENTER,
    "walkway, crosswalk": WALK,
    "cycle lane": CYCLES,
    "car park": PARK,
    "house": HOUSE,
    "tree": TREE,
}
FOOT, SWATCH, TEXT = 30, 14, 0.42  # px of a row, of a box of colour; size of the letters
FONT = cv2.FONT_HERSHEY_SIMPLEX


def contact_sheet() -> Image:
    """What the front camera sees in nine situations."""
    tiles = []
    for index, step in SHOWN:
        image = Renderer(make_drive(SPLIT, index)).image("CAM_F0", step)
        tiles.append(cv2.resize(image, TILE, interpolation=cv2.INTER_AREA))
    return np.vstack([np.hstack(tiles[k : k + 3]) for k in range(0, len(tiles), 3)])


class Plan:
    """The town from above, north up."""

    def __init__(self, drive: Drive) -> None:
        self.drive, self.scenery = drive, build_scenery(drive.net.plan.key)
        west, south, east, north = shapely.total_bounds(np.array(self.scenery.asphalt))
        self.corner = np.array([west - MARGIN, north + MARGIN])
        size = (np.array([north - south, east - west]) + 2 * MARGIN) * SCALE
        self.image: Image = np.full((*size.astype(int), 3), PAPER, np.uint8)

    def _pixels(self, points: geo.Array) -> NDArray[np.int32]:
        offset = (points - self.corner) * [SCALE, -SCALE]
        return np.round(offset * 16).astype(np.int32)

    def fill(self, polygons: list[shapely.Polygon], colour: tuple[int, int, int]) -> None:
        """Paint polygons with their holes."""
        for part in shapely.get_parts(np.array(polygons)):
            rings = [self._pixels(np.asarray(r.coords)) for r in (part.exterior, *part.interiors)]
            cv2.fillPoly(self.image, rings, colour, cv2.LINE_AA, 4)

    def boxes(self, boxes: geo.Array, colour: tuple[int, int, int]) -> None:
        """Paint boxes [N, 5]."""
        for ring in geo.box_corners(boxes):
            cv2.fillPoly(self.image, [self._pixels(ring)], colour, cv2.LINE_AA, 4)

    def line(self, points: geo.Array, colour: tuple[int, int, int], width: int) -> None:
        """Draw a polyline."""
        cv2.polylines(self.image, [self._pixels(points)], False, colour, width, cv2.LINE_AA, 4)

    def draw(self, step: int) -> Image:
        """Streets, houses, and the traffic of one moment."""
        net, scenery = self.drive.net, self.scenery
        self.fill(scenery.walkways, WALK)
        self.fill(scenery.asphalt, ROAD)
        self.fill(scenery.carparks, PARK)
        self.fill(scenery.cycle_lanes, CYCLES)
        self.fill([junction.polygon for junction in net.junctions], ROAD)
        self.fill([crosswalk.polygon for crosswalk in net.crosswalks], WALK)
        for block in net.blocks.values():
            self.line(block.center_line, CENTER, 1)
            for lane in block.lanes[:-1]:
                self.line(lane.right[1], WALK, 1)
        for stop in net.stop_lines.values():
            self.line(stop.line, WALK, 2)
        houses = np.array(scenery.buildings)[:, [0, 1, 3, 4, 2]]
        self.boxes(houses, HOUSE)
        for x, y, _, radius, _ in scenery.trees:
            self.fill([shapely.Point(x, y).buffer(radius)], TREE)
        self._traffic(step)
        return self.image

    def _traffic(self, step: int) -> None:
        drive = self.drive
        path = drive.scenario.actors[0].path
        way = path.xy[int(drive.record.s[0, 0]) : int(drive.record.s[-1, 0])]
        parked = np.array(self.scenery.parked)[:, [0, 1, 3, 4, 2]]
        self.boxes(parked, PARKED)
        self.line(way, ROUTE, 2)
        self.boxes(drive.boxes[step, 1:], OTHER)
        self.boxes(drive.boxes[step, :1], EGO)
        for x, y, *_ in drive.record.walkers[step]:
            self.fill([shapely.Point(x, y).buffer(0.8)], WALKER)


def with_legend(plan: Image) -> Image:
    """A plan of `SCALE` with a bar of 50 m and what its colours mean under it."""
    width, gap = plan.shape[1], 8
    length = round(BAR_M * SCALE)
    places, x, row = [], length + 8 * gap, 0
    for said in LEGEND:
        reach = SWATCH + gap + cv2.getTextSize(said, FONT, TEXT, 1)[0][0] + 2 * gap
        if x + reach > width:
            x, row = length + 8 * gap, row + 1
        places.append((x, row * FOOT + FOOT // 2))
        x += reach
    foot: Image = np.full(((row + 1) * FOOT, width, 3), 255, np.uint8)
    for (said, colour), (left, middle) in zip(LEGEND.items(), places, strict=True):
        corners = (left, middle - SWATCH // 2), (left + SWATCH, middle + SWATCH // 2)
        cv2.rectangle(foot, *corners, colour, cv2.FILLED)
        cv2.rectangle(foot, *corners, INK, 1)
        at = (left + SWATCH + gap // 2, middle + 5)
        cv2.putText(foot, said, at, FONT, TEXT, INK, 1, cv2.LINE_AA)
    cv2.polylines(
        foot,
        [np.array([(gap, 17), (gap, 22), (gap + length, 22), (gap + length, 17)])],
        False,
        INK,
        2,
    )
    cv2.putText(foot, f"{BAR_M} m", (gap + length // 2 - 16, 15), FONT, TEXT, INK, 1, cv2.LINE_AA)
    return np.vstack([plan, foot])


def main(folder: Path) -> None:
    """Write town_front.jpg and town_map.png."""
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "town_front.jpg"), contact_sheet(), [cv2.IMWRITE_JPEG_QUALITY, 82])
    plan = with_legend(Plan(make_drive(SPLIT, 5)).draw(10 * STRIDE))
    cv2.imwrite(str(folder / "town_map.png"), plan, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
