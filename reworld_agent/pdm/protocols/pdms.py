"""PDMS of NAVSIM v1.1 with log replay: NC and DAC multiply, EP, TTC and comfort weigh.

PDMS = NC·DAC·(5·EP + 5·TTC + 2·C) / 12; the driving direction is reported and does not count.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.metrics.definition.protocol import SCORE
from reworld_agent.pdm.metrics.drivable_area import distances_outside
from reworld_agent.pdm.metrics.progress import normalised_progress
from reworld_agent.pdm.metrics.raw_columns import Raw, by_name
from reworld_agent.pdm.metrics.records import Names, Records
from reworld_agent.pdm.metrics.table import EP, PDMS_V1
from reworld_agent.pdm.metrics.ttc import LAST_STEP_V1
from reworld_agent.pdm.protocols.records import failure_records
from reworld_agent.pdm.scene_cache import N_STEPS, SceneCache
from reworld_agent.pdm.scorer.common import score_states
from reworld_agent.pdm.simulate.rollout import human_rollout, reference_rollout
from reworld_agent.pdm.world.scenery import Scenery


class PdmsScene:
    """A scene as PDMS sees it.

    Args:
        cache: the scene.
        scenery: of `make_scenery`.

    Attributes:
        scenery: map raster, replayed traffic, centreline.
        pdm_closed: raw row [1] of PDM-Closed's own rollout.

    Raises:
        SceneError: the cache lacks PDM-Closed's trajectory.
    """

    def __init__(self, cache: SceneCache, scenery: Scenery) -> None:
        reference = cache.pdm_closed_poses
        if reference.shape != (N_STEPS, 3) or not np.isfinite(reference).all():
            raise SceneError(
                f"scene {cache.token}: it has no PDM-Closed trajectory",
                "build its cache again from the logs",
            )
        self._cache, self.scenery = cache, scenery
        states = reference_rollout(cache, reference)
        self.pdm_closed = by_name(self.evaluate(states, explain=False))
        multiplier = PDMS_V1.product(PDMS_V1.values(self.pdm_closed))
        self._reference = float((self.pdm_closed["progress"] * multiplier)[0])

    def evaluate(self, states: NDArray[np.float64], explain: bool) -> NDArray[np.float64]:
        """Raw rows [N, N_RAW] of simulated states [N, 41, 11]."""
        rows = score_states(states, self.scenery, LAST_STEP_V1)
        if explain:
            distances_outside(self.scenery.grid, self.scenery.origin, states, rows)
        return rows

    def columns(self, rows: NDArray[np.float64], names: Names | None) -> Records:
        """Columns of `pdms_v1` from raw rows, each candidate compared with PDM-Closed alone.

        With the names of the scene's tracks and polygons also the failure records.
        """
        raw = by_name(rows)
        values = PDMS_V1.values(raw)
        multiplier, progress = PDMS_V1.product(values), raw["progress"]
        best = np.maximum(progress * multiplier, self._reference)
        values[EP.name] = normalised_progress(progress, multiplier, best)
        records: Records = {
            **{name: values[name] for name in PDMS_V1.of_one_frame},
            SCORE: PDMS_V1.score(values),
            "progress_m": progress.copy(),
            "pdm_closed_progress_m": np.full(len(raw), self.pdm_closed["progress"][0]),
        }
        if names is not None:
            records.update(failure_records(PDMS_V1, raw, names))
            for metric, fails in self.human_fails.items():
                records[f"{metric}_human_fails"] = np.full(len(raw), fails)
        return records

    @cached_property
    def human_fails(self) -> dict[str, float]:
        """1 for metrics that the logged driver loses, else 0; NaN without a logged future."""
        states = human_rollout(self._cache)
        if states is None:
            return dict.fromkeys(PDMS_V1.raw, np.nan)
        raw: Raw = by_name(self.evaluate(states, explain=False))
        return {m: float(v[0] < 1.0) for m, v in PDMS_V1.values(raw).items()}
