"""A scene with all that is computed once for it, whatever the candidates."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.metrics.records import Names, Records
from reworld_agent.pdm.metrics.table import PDMS_V1
from reworld_agent.pdm.protocols.epdms import EpdmsScene
from reworld_agent.pdm.protocols.pdms import PdmsScene
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.world.scenery import Scenery, make_scenery


class ProtocolScene(Protocol):
    """A scene as one protocol sees it."""

    @property
    def scenery(self) -> Scenery:
        """Map, traffic and centreline."""

    def evaluate(self, states: NDArray[np.float64], explain: bool) -> NDArray[np.float64]:
        """Raw rows [N, N_RAW] of simulated states [N, 41, 11]."""

    def columns(self, rows: NDArray[np.float64], names: Names | None) -> Records:
        """Columns [N] of the protocol from raw rows; with names also the failure records."""


class ScoredScene:
    """A scene, its scenery, PDM-Closed's rollout and the logged driver's metrics.

    Everything is computed at first need, for each protocol by itself, and kept. The arrays of the
    cache must not change afterwards.

    Args:
        cache: the scene. A shallow copy is kept, so that the cache itself can be forgotten.
    """

    def __init__(self, cache: SceneCache) -> None:
        self.cache = copy(cache)

    @classmethod
    def of(cls, cache: SceneCache | ScoredScene) -> ScoredScene:
        """The one of this cache object, made at the first call and kept as long as the cache is."""
        if isinstance(cache, ScoredScene):
            return cache
        known = _KNOWN.get(cache)
        if known is None:
            known = _KNOWN[cache] = cls(cache)
        return known

    @cached_property
    def names(self) -> Names:
        """Names of tracks, polygons and lights."""
        return Names.of(self.cache)

    @cached_property
    def scenery(self) -> Scenery:
        """Map raster, replayed traffic of v1.1, centreline; raises SceneError."""
        problems = {
            "its ego state is not finite": not np.isfinite(self.cache.ego_state).all(),
            "its centreline has fewer than two points": len(self.cache.centerline) < 2,
        }
        for problem, is_there in problems.items():
            if is_there:
                raise SceneError(
                    f"scene {self.cache.token}: {problem}", "build its cache again from the logs"
                )
        ensure_compiled()
        return make_scenery(self.cache)

    @cached_property
    def pdms(self) -> PdmsScene:
        """The scene as PDMS (NAVSIM v1.1) sees it; raises SceneError."""
        return PdmsScene(self.cache, self.scenery)

    @cached_property
    def epdms(self) -> EpdmsScene:
        """The scene as EPDMS (NAVSIM v2.2) sees it; raises SceneError."""
        return EpdmsScene.of(self.cache, self.scenery)

    def seen_by(self, name: str) -> ProtocolScene:
        """The scene as a protocol sees it, by the protocol's name."""
        return self.pdms if name == PDMS_V1.name else self.epdms


_KNOWN: WeakKeyDictionary[SceneCache, ScoredScene] = WeakKeyDictionary()
