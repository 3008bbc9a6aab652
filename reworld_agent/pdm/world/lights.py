"""Red lights: the lane connectors of a route that must not be entered, at each logged frame."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.world.observation import N_SCORED_FRAMES
from reworld_agent.pdm.world.rings import Rings, flatten
from reworld_agent.scenes.maps.city import LANE, LANE_CONNECTOR, CityMap


class Lights(NamedTuple):
    """Fields `light_*` of the scene cache; L lights."""

    identity: NDArray[np.str_]  # [L]
    red: NDArray[np.bool_]  # [9, L]
    rings: Rings  # global

    def fields(self) -> dict[str, Any]:
        """By the names of `SceneCache`."""
        return {
            "light_id": self.identity,
            "light_red": self.red,
            "light_ring_xy": self.rings.xy,
            "light_ring_start": self.rings.ring_start,
            "light_polygon_ring_start": self.rings.polygon_ring_start,
        }


def red_lanes(frame: dict[str, Any], on_route: set[int]) -> list[int]:
    """Lanes of the route whose light is red in this frame, in the log's order."""
    lights = frame["traffic_lights"]
    return [int(lane) for lane, is_red in lights if is_red and int(lane) in on_route]


def logged_lights(frames: list[dict[str, Any]], on_route: set[int], city: CityMap) -> Lights:
    """The lights of up to nine frames; where the log ends they are off.

    Args:
        frames: the frame at t0 and those after it.
        on_route: lanes of the route as logged; v2.2 does not repair it here.
        city: their map.
    """
    red = [set(red_lanes(frame, on_route)) for frame in frames[:N_SCORED_FRAMES]]
    lanes = sorted(set().union(*red))
    table = np.zeros((N_SCORED_FRAMES, len(lanes)), np.bool_)
    for k, now in enumerate(red):
        table[k] = [lane in now for lane in lanes]
    return Lights(np.array([str(lane) for lane in lanes], np.str_), table, _rings(lanes, city))


def steady_lights(lanes: list[int], city: CityMap) -> Lights:
    """Lights that stay red, as PDM-Closed expects of those that are red now."""
    red = np.ones((N_SCORED_FRAMES, len(lanes)), np.bool_)
    return Lights(np.array([str(lane) for lane in lanes], np.str_), red, _rings(lanes, city))


def _rings(lanes: list[int], city: CityMap) -> Rings:
    kinds = [LANE if lane in city.graph.lanes else LANE_CONNECTOR for lane in lanes]
    return flatten([city.rings(kind, lane) for kind, lane in zip(kinds, lanes, strict=True)])
