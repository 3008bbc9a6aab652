"""The golden scene with reactive traffic: what a process asks before it lets vehicles answer.

In a module of its own: it needs the maps' libraries.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from reworld_agent.pdm.golden.log_replay import require_golden
from reworld_agent.pdm.golden.map_routines import require_map_routines
from reworld_agent.pdm.golden.shipped import (
    deviation,
    expected,
    golden_cache,
    plans,
    refuse_deviation,
)
from reworld_agent.pdm.protocols.reactive import with_traffic
from reworld_agent.pdm.protocols.scored_scene import ScoredScene
from reworld_agent.pdm.simulate.rollout import rollout
from reworld_agent.pdm.traffic.idm_traffic import reactive_poses
from reworld_agent.pdm.traffic.rails import Car, Rail, Rails, box_polygon

PLAN = 0
STEPS = (10, 25, 40)


def golden_rails() -> Rails:
    """The vehicles of the scene as they were found on its map."""
    cars = []
    for entry in expected()["reactive"]["cars"]:
        rail, size = Rail(np.array(entry["rail"])), (entry["length"], entry["width"])
        box = box_polygon(rail.pose(rail.clamp(entry["progress"])), *size)
        numbers = entry["progress"], entry["speed"], entry["target_speed"]
        cars.append(Car(entry["track"], entry["name"], rail, *numbers, *size, box))
    return Rails(tuple(cars), ())


def reactive_scores(rails: Rails) -> dict[str, Any]:
    """EPDMS of one plan to which the vehicles answer, and where they are on three steps."""
    scene = ScoredScene(golden_cache())
    states = rollout(scene.cache, plans()[[PLAN]])
    places = reactive_poses(scene.cache, rails, states[0])
    own = with_traffic(scene, places)
    driven = places[list(STEPS)][:, [car.track for car in rails.cars]]
    driven -= scene.cache.ego_state[:3]
    return {**own.columns(own.evaluate(states, False), None), "places": driven}


@cache
def require_reactive() -> None:
    """Raise ReWorldError where this process would score reactive traffic wrongly; asked once."""
    require_golden()
    require_map_routines()
    apart = deviation(reactive_scores(golden_rails()), expected()["reactive"]["scores"])
    refuse_deviation("the golden scene's scores with reactive traffic differ", apart)
