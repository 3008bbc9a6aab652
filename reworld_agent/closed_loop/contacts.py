"""What happens to the ego at one moment: whom it touches, and whether it is on the road."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely

from reworld_agent.scenes.synthetic.actors.actor import PERSON
from reworld_agent.scenes.synthetic.drive import Drive, Moment
from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.network import build_network

COLLISION, OFF_ROAD, OFF_MAP, OVER = "collision", "off_road", "off_map", "over"
LOST = 40.0  # m from the nearest road: off the map
_NEAR = 14.0  # m between centres, beyond which nothing touches


@dataclass(frozen=True)
class Event:
    """Something that begins to happen.

    Attributes:
        time: s since the scenario began.
        kind: `collision`, `off_road` (a corner of the ego), `off_map`, `over`.
        detail: whom it touches, as class and number among all things; else "".
    """

    time: float
    kind: str
    detail: str = ""


class Surroundings:
    """All that the ego of one drive may touch."""

    def __init__(self, drive: Drive) -> None:
        actors, walkers, fixed = drive.scenario.actors[1:], drive.scenario.walkers, drive.fixed
        self.names = [a.kind for a in actors] + ["pedestrian"] * len(walkers)
        self.names += [thing[0] for thing in fixed]
        standing = [(x, y, *size[:2], heading) for _, x, y, heading, *size in fixed]
        self._fixed = np.array(standing, float).reshape(-1, 5)
        self._road = _road(drive.net.plan.key)

    def touched(self, moment: Moment) -> list[int]:
        """Numbers of the things whose boxes overlap the ego's."""
        people = moment.walkers
        size = np.broadcast_to(PERSON[:2], (len(people), 2))
        walkers = np.concatenate([people[:, :2], size, people[:, 2:3]], axis=1)
        boxes = np.concatenate([moment.boxes[1:], walkers, self._fixed])
        near = np.flatnonzero(np.hypot(*(boxes[:, :2] - moment.boxes[0, :2]).T) < _NEAR)
        if not len(near):
            return []
        own = np.broadcast_to(moment.boxes[0], (len(near), 5))
        return [int(k) for k in near[geo.boxes_overlap(own, boxes[near])]]

    def collision(self, time: float, number: int) -> Event:
        """That the ego begins to touch a thing."""
        return Event(time, COLLISION, f"{self.names[number]} {number}")

    def on_road(self, moment: Moment) -> bool:
        """Whether all corners of the ego are on a road or a junction."""
        corners = geo.box_corners(moment.boxes[0])
        return bool(shapely.contains_xy(self._road, corners[:, 0], corners[:, 1]).all())

    def on_map(self, moment: Moment) -> bool:
        """Whether a road is near."""
        point = shapely.Point(moment.boxes[0, :2])
        return bool(shapely.dwithin(self._road, point, LOST))


@lru_cache(maxsize=4)
def _road(town: str) -> shapely.Geometry:
    """All that may be driven on in a town."""
    net = build_network(town)
    polygons = [block.polygon for block in net.blocks.values()]
    polygons += [junction.polygon for junction in net.junctions]
    road = shapely.union_all(polygons)
    shapely.prepare(road)
    return road
