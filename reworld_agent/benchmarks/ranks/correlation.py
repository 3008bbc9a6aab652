"""Rank correlations of scores over planners, with a bootstrap over drives and planners."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from reworld_agent.core.errors import DataError

Array = NDArray[np.float64]
_TAIL = 2.5  # percent, of a two-sided interval of 95 %
_LEAST = 3  # different planners of a resample


@dataclass(frozen=True)
class Agreement:
    """How far two scores agree on the order of planners.

    Attributes:
        first, second: the scores.
        kind: `spearman` (ρ) or `kendall` (τ_b).
        value: over all drives and planners.
        low, high: 95 %, of other drives in these towns, with these planners.
        low_planners, high_planners: 95 %, of other drives and other planners like these.
    """

    first: str
    second: str
    kind: str
    value: float
    low: float
    high: float
    low_planners: float
    high_planners: float


def agreements(
    scores: Mapping[str, Array], towns: Sequence[str], resamples: int = 2_000, seed: int = 0
) -> list[Agreement]:
    """Rank correlations of every pair of scores.

    A planner's score is its mean over drives. Drives are resampled within their towns, the same for
    every score and planner; planners are resampled besides, where a resample holds three different
    ones or more: each resample counts a planner as often as it was drawn.

    Args:
        scores: by name [planners, drives]; finite.
        towns: [drives].
        resamples: of the bootstrap.
        seed: of its generator.

    Raises:
        DataError: the shapes do not agree, or a score is not finite.
    """
    _check(scores, len(towns))
    names = list(scores)
    planners = next(iter(scores.values())).shape[0]
    generator = np.random.default_rng(seed)
    drawn = np.array([_drives(towns, generator) for _ in range(resamples)])
    chosen = np.array([_planners(planners, generator) for _ in range(resamples)])
    whole = {name: own.mean(axis=1)[None] for name, own in scores.items()}
    means = {name: own[:, drawn].mean(axis=2).T for name, own in scores.items()}
    others = {name: np.take_along_axis(own, chosen, axis=1) for name, own in means.items()}
    found = []
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            for kind, rank in _KINDS.items():
                value, drives, both = (
                    rank(own[first], own[second]) for own in (whole, means, others)
                )
                found.append(
                    Agreement(
                        *(first, second, kind, float(value[0])),
                        *_interval(drives),
                        *_interval(both),
                    )
                )
    return found


def _spearman(first: Array, second: Array) -> Array:
    """Spearman's ρ [R] of R pairs of [P] values; NaN where one of both does not vary."""
    a, b = (rankdata(own, axis=1) for own in (first, second))
    return _correlated(a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True))


def _kendall(first: Array, second: Array) -> Array:
    """Kendall's τ_b [R]: the correlation of the signs of all differences."""
    count = len(first)
    a, b = (
        np.sign(own[:, :, None] - own[:, None, :]).reshape(count, -1) for own in (first, second)
    )
    return _correlated(a, b)


def _correlated(a: Array, b: Array) -> Array:
    """Cosines [R] of the angles between rows."""
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    known = scale > 0
    found: Array = np.where(known, (a * b).sum(axis=1) / np.where(known, scale, 1.0), np.nan)
    return found


_KINDS: dict[str, Callable[[Array, Array], Array]] = {"spearman": _spearman, "kendall": _kendall}


def _interval(values: Array) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.percentile(known, [_TAIL, 100 - _TAIL])
    return float(low), float(high)


def _drives(towns: Sequence[str], generator: np.random.Generator) -> NDArray[np.int64]:
    """A resample of drives within their towns."""
    parts = [np.flatnonzero(np.array(towns) == town) for town in dict.fromkeys(towns)]
    return np.concatenate([part[generator.integers(0, len(part), len(part))] for part in parts])


def _planners(count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    while True:
        drawn = generator.integers(0, count, count)
        if len(set(drawn.tolist())) >= _LEAST:
            return drawn


def _check(scores: Mapping[str, Array], drives: int) -> None:
    shapes = {own.shape for own in scores.values()}
    if len(shapes) != 1 or next(iter(shapes))[1:] != (drives,):
        message = f"scores of shapes {sorted(shapes)} for {drives} drives"
        raise DataError(message, "give [planners, drives] of each")
    if next(iter(shapes))[0] < _LEAST:
        raise DataError(f"{next(iter(shapes))[0]} planners cannot be ranked", "give three or more")
    if not all(np.isfinite(own).all() for own in scores.values()):
        raise DataError("a score is not finite", "leave its drive out, for every planner alike")
