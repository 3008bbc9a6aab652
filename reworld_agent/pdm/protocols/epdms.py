"""EPDMS of NAVSIM v2.2 with log replay: NC, DAC, DDC and TLC multiply, EP, TTC, LK and HC weigh.

`pdm_score` = NC·DAC·DDC·TLC·(5·EP + 5·TTC + 2·LK + 2·HC) / 14; with the comfort between two
frames (EC) it is (… + 2·EC) / 16.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.metrics.definition.protocol import SCORE
from reworld_agent.pdm.metrics.drivable_area import distances_outside
from reworld_agent.pdm.metrics.history_comfort import (
    Filters,
    filters,
    history_comfort,
    past_at_10_hz,
)
from reworld_agent.pdm.metrics.progress import progress_share
from reworld_agent.pdm.metrics.raw_columns import RAW, Raw, by_name
from reworld_agent.pdm.metrics.records import Names, Records
from reworld_agent.pdm.metrics.table import EP, EPDMS_V2
from reworld_agent.pdm.metrics.ttc import LAST_STEP_V2
from reworld_agent.pdm.protocols.records import failure_records
from reworld_agent.pdm.scene_cache import N_STEPS, SceneCache
from reworld_agent.pdm.scorer.common import score_states
from reworld_agent.pdm.scorer.extended import extended_metrics
from reworld_agent.pdm.simulate.rollout import human_rollout, reference_rollout
from reworld_agent.pdm.world.red_lights import RedLights, make_red_lights
from reworld_agent.pdm.world.replay import replay_within_4_s
from reworld_agent.pdm.world.scenery import Scenery


@dataclass(frozen=True)
class EpdmsScene:
    """A scene as EPDMS sees it; `of` makes it.

    Attributes:
        scenery, lights: map, v2.2's traffic, red lights.
        past, weights: for HC.
        pdm_closed: PDM-Closed v2.2's progress [m] and product of multipliers.
        human_fails: metrics that the logged driver has 0 in; None without a logged future.
    """

    scenery: Scenery
    lights: RedLights
    past: NDArray[np.float64]
    weights: Filters
    pdm_closed: tuple[float, float] = (0.0, 0.0)
    human_fails: tuple[str, ...] | None = None

    @classmethod
    def of(cls, cache: SceneCache, scenery: Scenery) -> EpdmsScene:
        """The scene with the log's traffic and, in it, PDM-Closed v2.2 and the logged driver.

        Args:
            cache: the scene.
            scenery: of `make_scenery`; its traffic is replaced.

        Raises:
            SceneError: the cache lacks what only EPDMS needs (PDM-Closed v2.2, the past).
        """
        if cache.pdm_closed_poses_v2.shape != (N_STEPS, 3) or len(cache.past_states) < 2:
            raise SceneError(
                f"scene {cache.token}: its cache has no PDM-Closed v2.2 or no past, which EPDMS "
                "needs",
                "build its cache from the logs with pdm.build_scene_cache",
            )
        past = past_at_10_hz(cache.past_states, cache.past_time_us)
        empty = cls(
            scenery._replace(traffic=replay_within_4_s(cache, scenery.origin)),
            make_red_lights(cache, scenery.origin),
            past,
            filters(len(past) + N_STEPS),
        )
        human = human_rollout(cache)
        return empty.beside(
            reference_rollout(cache, cache.pdm_closed_poses_v2),
            None if human is None else empty.failed_by_human(human),
        )

    def beside(
        self, pdm_closed: NDArray[np.float64], human_fails: tuple[str, ...] | None
    ) -> EpdmsScene:
        """The same scene with PDM-Closed's states [1, 41, 11] driven in it.

        The human's failures may be from another traffic.
        """
        raw = by_name(self.evaluate(pdm_closed, explain=False))
        multiplier = EPDMS_V2.product(EPDMS_V2.values(raw))
        known = float(raw["progress"][0]), float(multiplier[0])
        return replace(self, pdm_closed=known, human_fails=human_fails)

    def failed_by_human(self, states: NDArray[np.float64]) -> tuple[str, ...]:
        """Metrics that the logged driver, states [1, 41, 11], has 0 in."""
        rows = self.evaluate(states, explain=False)
        rows[:, RAW.hc] = 1.0  # the devkit scores the driver without the past
        values = _values(by_name(rows), 0.0)
        return tuple(name for name, value in values.items() if value[0] == 0.0)

    def evaluate(self, states: NDArray[np.float64], explain: bool) -> NDArray[np.float64]:
        """Raw rows [N, N_RAW] of simulated states [N, 41, 11]."""
        scenery = self.scenery
        rows = score_states(states, scenery, LAST_STEP_V2)
        extended_metrics(states, scenery, self.lights, rows)
        history_comfort(states, self.past, self.weights, rows)
        if explain:
            distances_outside(scenery.grid, scenery.origin, states, rows)
        return rows

    def columns(self, rows: NDArray[np.float64], names: Names | None) -> Records:
        """Columns of `epdms_v2` from raw rows, each candidate alone with PDM-Closed v2.2.

        Returns:
            The eight metrics after the human filter, `score` from them (without EC), `pdm_score`
            as the devkit has it (before the filter), each metric before it as
            `<metric>_unfiltered`, progress_m, pdm_closed_progress_m; with the names of the scene's
            tracks, polygons and lights also the failure records.
        """
        raw, n = by_name(rows), len(rows)
        progress, multiplier = self.pdm_closed
        before = _values(raw, progress * multiplier)
        fails = self.human_fails or ()
        # The human filter: a metric that the logged driver has 0 in is 1 for everybody. The devkit
        # applies it after `pdm_score`, which therefore stays without it.
        after = {m: np.ones(n) if m in fails else v.copy() for m, v in before.items()}
        records: Records = {
            **after,
            SCORE: EPDMS_V2.score(after),
            "pdm_score": EPDMS_V2.score(before),
            **{f"{metric}_unfiltered": values for metric, values in before.items()},
            "progress_m": raw["progress"].copy(),
            "pdm_closed_progress_m": np.full(n, progress),
        }
        if names is not None:
            records.update(failure_records(EPDMS_V2, raw, names))
            for metric in before:
                known = np.nan if self.human_fails is None else float(metric in self.human_fails)
                records[f"{metric}_human_fails"] = np.full(n, known)
        return records


def _values(raw: Raw, reference: float) -> dict[str, NDArray[np.float64]]:
    """Metrics before the human filter; `reference` is PDM-Closed's progress · multipliers [m]."""
    values = EPDMS_V2.values(raw)
    best = np.maximum(raw["progress"] * EPDMS_V2.product(values), reference)
    values[EP.name] = progress_share(raw["progress"], best)
    return {name: values[name] for name in EPDMS_V2.of_one_frame}
