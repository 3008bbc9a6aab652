"""The columns of PDMS (NAVSIM v1) and EPDMS (NAVSIM v2), their short names, and the formulas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NC, DAC = "no_at_fault_collisions", "drivable_area_compliance"
DDC, TLC = "driving_direction_compliance", "traffic_light_compliance"
EP, TTC = "ego_progress", "time_to_collision_within_bound"
COMFORT, HISTORY_COMFORT = "comfort", "history_comfort"
LANE_KEEPING, EXTENDED_COMFORT = "lane_keeping", "two_frame_extended_comfort"
SCORE = "score"

SHORT = {
    NC: "NC",
    DAC: "DAC",
    DDC: "DDC",
    TLC: "TLC",
    EP: "EP",
    TTC: "TTC",
    COMFORT: "Comf",
    LANE_KEEPING: "LK",
    HISTORY_COMFORT: "HC",
    EXTENDED_COMFORT: "EC",
    SCORE: "score",
}

VALUES: dict[str, tuple[float, ...]] = {
    **dict.fromkeys((NC, DDC), (0.0, 0.5, 1.0)),
    **dict.fromkeys((DAC, TLC, TTC, COMFORT, LANE_KEEPING), (0.0, 1.0)),
    **dict.fromkeys((HISTORY_COMFORT, EXTENDED_COMFORT), (0.0, 1.0)),
}
"""The only values a metric takes; EP and the score take any from 0 to 1."""


@dataclass(frozen=True)
class Protocol:
    """One way to score a drive.

    Attributes:
        name, title: as written in tables, and in words.
        multipliers: metrics whose product multiplies the rest.
        weights: of the metrics in the weighted mean; one that is NaN in a scene drops out of it.
        unweighted: metrics that are reported and do not count.
        explained: metrics whose failures are explained, by what they cost when they fail.
    """

    name: str
    title: str
    multipliers: tuple[str, ...]
    weights: Mapping[str, float]
    unweighted: tuple[str, ...] = ()
    explained: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics, then the score."""
        return (*self.multipliers, *self.weights, *self.unweighted, SCORE)

    @property
    def required(self) -> tuple[str, ...]:
        """Metrics that a score cannot be computed without."""
        weighted = tuple(name for name in self.weights if name != EXTENDED_COMFORT)
        return (*self.multipliers, *weighted)

    def score(self, columns: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Score [n] from metrics [n] each: product of the multipliers × weighted mean."""
        total, weight = np.zeros(1), np.zeros(1)
        for name, share in self.weights.items():
            if name in columns:
                there = np.isfinite(columns[name]) | (name != EXTENDED_COMFORT)
                total = total + share * np.where(there, columns[name], 0.0)
                weight = weight + share * there
        product = np.ones(1)
        for name in self.multipliers:
            product = product * columns[name]
        return product * total / weight


PDMS_V1 = Protocol(
    "pdms_v1",
    "PDMS of NAVSIM v1",
    multipliers=(NC, DAC),
    weights={EP: 5.0, TTC: 5.0, COMFORT: 2.0},
    unweighted=(DDC,),
    explained=(NC, DAC, TTC, EP, COMFORT),
)
EPDMS_V2 = Protocol(
    "epdms_v2",
    "EPDMS of NAVSIM v2",
    multipliers=(NC, DAC, DDC, TLC),
    weights={EP: 5.0, TTC: 5.0, LANE_KEEPING: 2.0, HISTORY_COMFORT: 2.0, EXTENDED_COMFORT: 2.0},
    explained=(NC, DAC, DDC, TLC, TTC, EP, LANE_KEEPING, HISTORY_COMFORT),
)
PROTOCOLS = {protocol.name: protocol for protocol in (PDMS_V1, EPDMS_V2)}
