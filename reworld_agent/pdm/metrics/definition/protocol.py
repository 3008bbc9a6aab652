"""One way to score a drive: which metrics multiply, which are weighed, which are only reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.raw_columns import Raw

SCORE = "score"


@dataclass(frozen=True)
class Protocol:
    """A protocol, by the names of its metrics.

    Attributes:
        name: as written in tables and settings.
        total: name of its score.
        title: in words.
        conditions: what its scores of one frame are, in words.
        navsim: version of NAVSIM that it is of.
        multipliers: metrics whose product multiplies the rest.
        weights: of the metrics in the weighted mean.
        reported: official metrics that do not count.
        optional: metrics in `weights` that need two frames; one that is absent or NaN drops out of
            the mean.
        printed: metrics of the printed summary, in its order.
        raw: raw column of each official metric that is one (all of one frame but EP).
        scaled: metrics whose value holds the product of the multipliers once more: where a
            multiplier is lost, they say nothing of their own.
        explained: metrics whose failures are explained, by what they cost when they fail.
        added: metrics added from outside (`registry.register`), which never change the score.
    """

    name: str
    total: str
    title: str
    conditions: str
    navsim: str
    multipliers: tuple[str, ...]
    weights: Mapping[str, float]
    reported: tuple[str, ...]
    optional: tuple[str, ...]
    printed: tuple[str, ...]
    scaled: tuple[str, ...]
    raw: Mapping[str, str]
    explained: tuple[str, ...]
    added: tuple[str, ...] = ()

    @cached_property
    def official(self) -> tuple[str, ...]:
        """NAVSIM's own metrics, in the order of its tables."""
        return (*self.multipliers, *self.weights, *self.reported)

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """All metrics that a table may have: the official ones, the score, the added ones."""
        return (*self.official, SCORE, *self.added)

    @cached_property
    def of_one_frame(self) -> tuple[str, ...]:
        """Official metrics of a single frame."""
        return tuple(name for name in self.official if name not in self.optional)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of a score of a single frame: NAVSIM's, the score, then the added ones."""
        return (*self.of_one_frame, SCORE, *self.added)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Metrics that a score cannot be computed without."""
        return tuple(n for n in (*self.multipliers, *self.weights) if n not in self.optional)

    def values(self, raw: Raw) -> dict[str, NDArray[np.float64]]:
        """Official metrics [N] that are raw columns: all of one frame but EP."""
        return {name: raw[column].copy() for name, column in self.raw.items()}

    def product(self, columns: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Product [N] of the multipliers from metrics [N] each."""
        first, *others = self.multipliers
        product = columns[first]
        for name in others:
            product = product * columns[name]
        return product

    def score(self, columns: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Score [N] from metrics [N] each: product of the multipliers · weighted mean."""
        weighted: Any = 0.0
        total: Any = 0.0
        for name, weight in self.weights.items():
            if name not in self.optional:
                weighted, total = weighted + weight * columns[name], total + weight
            elif name in columns:
                there = np.isfinite(columns[name])
                weighted = weighted + weight * np.where(there, columns[name], 0.0)
                total = total + weight * there
        score: NDArray[np.float64] = self.product(columns) * weighted / total
        return score
