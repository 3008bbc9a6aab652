"""What EPDMS (NAVSIM v2.2) scores beyond PDMS, in one compiled pass.

Traffic lights (TLC), lane keeping (LK), and a driving direction (DDC) that forgives what happens
on intersections.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.metrics.direction import direction_score
from reworld_agent.pdm.metrics.lane_keeping import lane_lost
from reworld_agent.pdm.metrics.raw_columns import RAW
from reworld_agent.pdm.metrics.traffic_lights import red_light_met
from reworld_agent.pdm.scene_cache import N_STEPS
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y
from reworld_agent.pdm.world.geometry import REAR_AXLE_TO_CENTER
from reworld_agent.pdm.world.grid import INTERSECTION, ROUTE, mark_held
from reworld_agent.pdm.world.red_lights import RedLights
from reworld_agent.pdm.world.scenery import Scenery


@kernel
def extended_metrics(
    states: NDArray[np.float64], scenery: Scenery, lights: RedLights, raw: NDArray[np.float64]
) -> None:
    """Score N candidates, each by itself.

    Args:
        states: [N, 41, 11] simulated states, global.
        scenery: the scene; its traffic is not looked at.
        lights: its traffic lights.
        raw: [N, N_RAW] of `score_states`; its columns from `tlc` to `lk_step` are filled.
    """
    centers, work = np.empty((N_STEPS, 2)), np.empty(N_STEPS)
    crossing, wrong = np.empty(N_STEPS, np.bool_), np.empty(N_STEPS, np.bool_)
    box = np.empty((5, 2))
    for i in range(len(states)):
        out = raw[i]
        for t in range(N_STEPS):
            _place_center(states[i, t], scenery.origin, centers[t])
        mark_held(scenery.grid, INTERSECTION, centers, crossing)
        mark_held(scenery.grid, ROUTE, centers, wrong)
        for t in range(N_STEPS):
            wrong[t] = not wrong[t] and not crossing[t]
        out[RAW.ddc_off_junctions] = direction_score(centers, wrong, work)
        out[RAW.lk_step] = lane_lost(scenery.centerline, scenery.blocks, centers, crossing)
        out[RAW.lk] = 1.0 if out[RAW.lk_step] < 0 else 0.0
        out[RAW.tlc_step], out[RAW.tlc_light] = red_light_met(states[i], centers, lights, box)
        out[RAW.tlc] = 1.0 if out[RAW.tlc_step] < 0 else 0.0


@helper
def _place_center(
    state: NDArray[np.float64], origin: NDArray[np.float64], center: NDArray[np.float64]
) -> None:
    """Centre of the ego box, local [2]; rounded in global coordinates first, as the devkit does."""
    center[0] = (state[X] + REAR_AXLE_TO_CENTER * math.cos(state[HEADING])) - origin[0]
    center[1] = (state[Y] + REAR_AXLE_TO_CENTER * math.sin(state[HEADING])) - origin[1]
