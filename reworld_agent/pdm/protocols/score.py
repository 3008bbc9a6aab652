"""Scores of the candidates of one scene, in one protocol or in both from one simulation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.vocabulary import DRIVE_V1
from reworld_agent.pdm.metrics.definition.metric import Rollouts
from reworld_agent.pdm.metrics.definition.protocol import Protocol
from reworld_agent.pdm.metrics.records import Names, Records
from reworld_agent.pdm.metrics.registry import BOTH, PROTOCOL_CHOICES, PROTOCOL_NAMES, protocol
from reworld_agent.pdm.metrics.table import EPDMS_V2
from reworld_agent.pdm.protocols.added import added_columns, beside, joined
from reworld_agent.pdm.protocols.scored_scene import ProtocolScene, ScoredScene
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.rollout import rollouts

if TYPE_CHECKING:
    from reworld_agent.pdm.traffic.rails import Rails


def score_scene(
    scene: ScoredScene,
    poses: NDArray[np.float64],
    name: str,
    explain: bool,
    rails: Rails | None = None,
    interval_s: float | None = None,
) -> Records:
    """Columns of a protocol for checked poses [N, L, 3]; see `api.score`."""
    if name == DRIVE_V1:
        known = " | ".join(PROTOCOL_CHOICES)
        raise ConfigError(f"protocol={name} is of drives, not of plans", f"use protocol={known}")
    drives = rollouts(scene.cache, poses, interval_s)
    if rails is not None:
        return _reactive(scene, rails, drives, name, explain)
    names = PROTOCOL_NAMES if name == BOTH else (name,)
    views = [_View(protocol(one), scene.seen_by(one)) for one in names]
    for states in drives:
        for view in views:
            view.add(scene.cache, states, explain)
    texts = scene.names if explain else None
    if name != BOTH:
        return views[0].columns(texts)
    return {
        f"{view.rules.name}_{column}": values
        for view in views
        for column, values in view.columns(texts).items()
    }


class _View:
    """One protocol's view of the candidates, some of them at a time."""

    def __init__(self, rules: Protocol, scene: ProtocolScene) -> None:
        self.rules, self._scene = rules, scene
        self._rows: list[NDArray[np.float64]] = []
        self._added: list[Records] = []

    def add(self, cache: SceneCache, states: NDArray[np.float64], explain: bool) -> None:
        """Evaluate more candidates, states [N, 41, 11]."""
        self._rows.append(self._scene.evaluate(states, explain))
        if self.rules.added:
            found = Rollouts(cache, states, self._scene.scenery)
            self._added.append(added_columns(self.rules, found, explain))

    def columns(self, names: Names | None) -> Records:
        """Columns of all candidates."""
        rows = self._rows[0] if len(self._rows) == 1 else np.concatenate(self._rows)
        return beside(self._scene.columns(rows, names), joined(self._added))


def _reactive(
    scene: ScoredScene,
    rails: Rails,
    drives: Iterator[NDArray[np.float64]],
    name: str,
    explain: bool,
) -> Records:
    if name != EPDMS_V2.name:
        raise ConfigError(
            f"protocol {name!r} replays the log", "reactive traffic needs protocol='epdms_v2'"
        )
    # shapely and the maps take half a second to import, and whoever has rails has imported them
    from reworld_agent.pdm.protocols.reactive import epdms_v2_reactive  # noqa: PLC0415

    return epdms_v2_reactive(scene, rails, drives, explain)
