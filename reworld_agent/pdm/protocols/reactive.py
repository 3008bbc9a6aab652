"""EPDMS of NAVSIM v2.2 with reactive traffic (`traffic_agents=reactive`, and both stages of its
two-stage evaluation): the vehicles around the ego answer to each candidate by itself.

Each candidate is judged in its own traffic, and so is PDM-Closed beside it; the logged driver, for
the human filter, in the traffic that answers to him.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.history_comfort import HC
from reworld_agent.pdm.protocols import epdms
from reworld_agent.pdm.protocols.records import Records
from reworld_agent.pdm.protocols.scorer import DAC, NC, PROGRESS
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.rollout import drives, simulated
from reworld_agent.pdm.simulate.tracker import simulate
from reworld_agent.pdm.traffic.idm_traffic import Unsolvable, reactive_poses
from reworld_agent.pdm.traffic.rails import Rails
from reworld_agent.pdm.world.scenery import make_traffic

_NOTHING = {"f": np.nan, "U": "", "O": ""}  # by the kind of a column


def epdms_v2_reactive(
    cache: SceneCache, rails: Rails, poses: NDArray[np.float64], explain: bool
) -> Records:
    """Columns of `epdms.epdms_v2` with reactive traffic.

    Args:
        cache: the scene.
        rails: its `reactive_rails.build_rails`.
        poses: [N, 8 or 40, 3] x, y [m], heading [rad], ego frame.
        explain: also the failure records.

    Returns:
        As `epdms.epdms_v2`; a candidate on which the devkit's traffic fails is NaN in every
        column of numbers.
    """
    closed = simulate(np.array(cache.ego_state), np.array(cache.pdm_closed_poses_v2[None]))
    fails = _human_fails(cache, rails)
    rows = []
    for states in drives(cache, poses):
        for own in states:
            rows.append(_candidate(cache, rails, own[None], closed, fails, explain))
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
    cache: SceneCache,
    rails: Rails,
    states: NDArray[np.float64],
    closed: NDArray[np.float64],
    fails: tuple[str, ...] | None,
    explain: bool,
) -> Records | None:
    """Columns of one candidate [1, 41, 11]; None where the traffic fails."""
    try:
        prepared = _in_traffic_of(cache, rails, states[0])
    except Unsolvable:
        return None
    beside = epdms.judge_states(prepared, closed, explain=False)
    prepared.pdm_closed = (float(beside.raw[0, PROGRESS]), _multiplier(beside))
    prepared.human_fails = fails
    judged = epdms.judge_states(prepared, states, explain)
    return epdms.epdms_columns(cache, prepared, judged, explain)


def _human_fails(cache: SceneCache, rails: Rails) -> tuple[str, ...] | None:
    """Metrics that the logged driver has 0 in; None without a logged future."""
    if cache.human_poses.shape != (8, 3) or not np.isfinite(cache.human_poses).all():
        return None
    states = simulated(cache, cache.human_poses[None])
    prepared = _in_traffic_of(cache, rails, states[0])
    judged = epdms.judge_states(prepared, states, explain=False)
    judged.comfort[:, HC] = 1.0  # the devkit scores the driver without the past
    columns = epdms.epdms_columns(cache, prepared, judged, explain=False)
    return tuple(name for name in epdms.METRICS if columns[name][0] == 0.0)


def _in_traffic_of(cache: SceneCache, rails: Rails, states: NDArray[np.float64]) -> epdms.Prepared:
    """The scene with the traffic that answers to one drive [41, 11]; no PDM-Closed, no human."""
    base = epdms.prepare(cache)
    traffic = make_traffic(
        reactive_poses(cache, rails, states),
        cache.track_size,
        cache.track_type,
        cache.track_speed,
        base.scenery.origin,
    )
    scenery = base.scenery._replace(traffic=traffic)
    return replace(base, scenery=scenery, pdm_closed=(0.0, 0.0), human_fails=None)


def _multiplier(judged: epdms.Judged) -> float:
    raw, extended = judged.raw[0], judged.extended[0]
    return float(raw[NC] * raw[DAC] * extended[epdms.DDC] * extended[epdms.TLC])
