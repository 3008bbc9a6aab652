"""Scores of the candidates of one scene, in one protocol or in both from one simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import ConfigError
from reworld_agent.pdm.metrics.metric import Rollouts
from reworld_agent.pdm.metrics.records import Records
from reworld_agent.pdm.metrics.registry import BOTH, PROTOCOL_NAMES, protocol
from reworld_agent.pdm.metrics.table import EPDMS_V2
from reworld_agent.pdm.protocols.added import added_columns, joined
from reworld_agent.pdm.protocols.scored_scene import ScoredScene
from reworld_agent.pdm.simulate.rollout import rollouts

if TYPE_CHECKING:
    from reworld_agent.pdm.traffic.rails import Rails


def score_scene(
    scene: ScoredScene,
    poses: NDArray[np.float64],
    name: str,
    explain: bool,
    rails: Rails | None = None,
) -> Records:
    """Columns of a protocol for checked poses [N, 8 or 40, 3]; see `api.score`."""
    if rails is not None:
        return _reactive(scene, rails, poses, name, explain)
    names = PROTOCOL_NAMES if name == BOTH else (protocol(name).name,)
    seen = {one: scene.seen_by(one) for one in names}
    rows: dict[str, list[NDArray[np.float64]]] = {one: [] for one in names}
    more: dict[str, list[Records]] = {one: [] for one in names}
    for states in rollouts(scene.cache, poses):
        for one, view in seen.items():
            rows[one].append(view.evaluate(states, explain))
            found = Rollouts(scene.cache, states, view.scenery)
            more[one].append(added_columns(protocol(one), found, explain))
    columns = {
        one: view.columns(np.concatenate(rows[one]), explain) | joined(more[one])
        for one, view in seen.items()
    }
    if name != BOTH:
        return columns[name]
    return {f"{one}_{key}": v for one, records in columns.items() for key, v in records.items()}


def _reactive(
    scene: ScoredScene, rails: Rails, poses: NDArray[np.float64], name: str, explain: bool
) -> Records:
    if name != EPDMS_V2.name:
        raise ConfigError(
            f"protocol {name!r} replays the log", "reactive traffic needs protocol='epdms_v2'"
        )
    # shapely and the maps take 0.7 s to import, and whoever has rails has imported them
    from reworld_agent.pdm.protocols.reactive import epdms_v2_reactive  # noqa: PLC0415

    return epdms_v2_reactive(scene, rails, poses, explain)
