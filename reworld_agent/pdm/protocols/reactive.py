"""EPDMS of NAVSIM v2.2 with reactive traffic: vehicles answer to each candidate by itself.

So it is with `traffic_agents=reactive`, and in both stages of v2.2's two-stage evaluation. Each
candidate is scored in its own traffic, and so is PDM-Closed beside it; the logged driver, for the
human filter, in the traffic that answers to him.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.definition.metric import Rollouts
from reworld_agent.pdm.metrics.records import Records
from reworld_agent.pdm.metrics.registry import protocol
from reworld_agent.pdm.metrics.table import EPDMS_V2
from reworld_agent.pdm.protocols.added import added_columns, beside
from reworld_agent.pdm.protocols.epdms import EpdmsScene
from reworld_agent.pdm.protocols.scored_scene import ScoredScene
from reworld_agent.pdm.simulate.rollout import human_rollout, reference_rollout
from reworld_agent.pdm.traffic.idm_traffic import Unsolvable, reactive_poses
from reworld_agent.pdm.traffic.rails import Rails
from reworld_agent.pdm.world.scenery import make_traffic

_NOTHING = {"f": np.nan, "U": "", "O": ""}  # by the kind of a column


def epdms_v2_reactive(
    scene: ScoredScene, rails: Rails, drives: Iterable[NDArray[np.float64]], explain: bool
) -> Records:
    """Columns of `EpdmsScene.columns` with reactive traffic.

    Args:
        scene: the scene.
        rails: its `traffic.rails.build_rails`.
        drives: states of the candidates, [N, 41, 11] each (`rollouts`).
        explain: also the failure records.

    Returns:
        As `epdms_v2` with log replay; a candidate on which the devkit's traffic fails is NaN in
        every column of numbers.
    """
    cache = scene.cache
    closed = reference_rollout(cache, cache.pdm_closed_poses_v2)
    human = human_rollout(cache)
    fails = None
    if human is not None:
        fails = _in_traffic_of(scene, rails, human[0]).failed_by_human(human)
    rows = []
    for states in drives:
        for own in states:
            rows.append(_candidate(scene, rails, own[None], closed, fails, explain))
    known = next((row for row in rows if row is not None), None)
    if known is None:
        raise Unsolvable(
            f"scene {cache.token}: the devkit's reactive traffic fails for every candidate",
            "score this scene with traffic=log_replay",
        )
    blank = {name: _blank(values) for name, values in known.items()}
    return {
        name: np.concatenate([blank[name] if row is None else row[name] for row in rows])
        for name in known
    }


def _blank(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """[1] what stands for no value: NaN, the empty text, -1."""
    return np.array([_NOTHING.get(values.dtype.kind, -1)], values.dtype)


def _candidate(
    scene: ScoredScene,
    rails: Rails,
    states: NDArray[np.float64],
    closed: NDArray[np.float64],
    fails: tuple[str, ...] | None,
    explain: bool,
) -> Records | None:
    """Columns of one candidate [1, 41, 11]; None where the traffic fails."""
    try:
        own = _in_traffic_of(scene, rails, states[0])
    except Unsolvable:
        return None
    own = own.beside(closed, fails)
    found = Rollouts(scene.cache, states, own.scenery)
    added = added_columns(protocol(EPDMS_V2.name), found, explain)
    names = scene.names if explain else None
    return beside(own.columns(own.evaluate(states, explain), names), added)


def _in_traffic_of(scene: ScoredScene, rails: Rails, states: NDArray[np.float64]) -> EpdmsScene:
    """The scene with the traffic that answers to one drive [41, 11]."""
    return with_traffic(scene, reactive_poses(scene.cache, rails, states))


def with_traffic(scene: ScoredScene, places: NDArray[np.float64]) -> EpdmsScene:
    """The scene with tracks at `places` [51, T, 3], NaN where one is absent."""
    cache, base = scene.cache, scene.epdms
    traffic = make_traffic(
        places,
        cache.track_size,
        cache.track_type,
        cache.track_speed,
        base.scenery.origin,
    )
    return replace(base, scenery=base.scenery._replace(traffic=traffic))
