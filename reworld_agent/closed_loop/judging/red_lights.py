"""Red lights of a whole drive: the ego must not enter a lane connector of its route on red.

The scorer's metric of 4 s asks whether the ego is on a red connector at all. Over 20 s that would
take those for offenders who entered on green and are on their way out; here the moment counts in
which the ego's box begins to touch a connector.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely

from reworld_agent.closed_loop.stage import Stage
from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.signals import RED


def entered_on_red(stage: Stage) -> tuple[int, str] | None:
    """The first tick at which the ego enters on red, and the connector; None for never."""
    ticks = range(stage.tick + 1)
    egos = np.array([stage.ticks[k].moment.boxes[0] for k in ticks])
    bodies = shapely.polygons(geo.box_corners(egos))
    signals, found = stage.drive.signals, []
    for junction, source, fid, area in _lit(stage):
        meets = shapely.intersects(bodies, area)
        for tick in np.flatnonzero(meets[1:] & ~meets[:-1]) + 1:
            time = stage.ticks[int(tick)].moment.time
            if signals.state(junction, source, time) == RED:
                found.append((int(tick), str(fid)))
                break
    return min(found, default=None)


def _lit(stage: Stage) -> Iterator[tuple[int, int, int, shapely.Geometry]]:
    """Junction, roadblock before it, connector and its area, of every light on the route."""
    net, lit = stage.drive.net, stage.drive.signals.offsets
    for gate in stage.drive.scenario.actors[0].path.gates:
        own = gate.connector
        if own.junction in lit:
            beside = [c for c in net.connectors.values() if c.block == own.block]
            area = shapely.union_all([c.polygon for c in beside])
            yield own.junction, own.source.block, own.fid, area
