"""Intervals of a mean over training seeds and scenes at once: a hierarchical bootstrap.

Seeds and scenes are crossed: every seed's model is judged on every scene; scenes lie in drives, and
drives in towns. Seeds are resampled, and apart from them whole clusters of scenes; the variances of
both add up. Each is freed of the bootstrap's bias with few units, n / (n - 1) (in strata N / (N -
T)), and the interval takes Student's t at the degrees of freedom of Satterthwaite: five seeds are
few, and percentiles of such resamples cover far less than they say. What seeds and clusters do
together is counted in both parts, which errs to the wide side.

By default the clusters are drives, resampled within each town: the interval then speaks of these
towns. With `over_towns` whole towns are resampled: it speaks of towns like them, and with two of
them it is wide. Scenes of a drive are kept together, so that what they share needs no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from reworld_agent.core.errors import DataError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Hierarchical:
    """An estimate with its interval.

    Attributes:
        estimate: the statistic of all seeds and scenes.
        low, high: of the interval; NaN where neither seeds nor clusters are two.
        standard_error: of both parts together.
        seed_error, cluster_error: standard errors of the parts; 0 where there is one unit: the
            interval then says nothing of others.
        degrees: of freedom.
        seeds, clusters: how many there are.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    seed_error: float
    cluster_error: float
    degrees: float
    seeds: int
    clusters: int


def hierarchical_interval(
    values: Array,
    drives: Sequence[str],
    towns: Sequence[str] | None = None,
    *,
    over_towns: bool = False,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Hierarchical:
    """Interval of the mean of `values` over seeds and scenes.

    Args:
        values: [S, n], of S seeds and n scenes; finite.
        drives: [n] drive of each scene.
        towns: [n] town of each; None = one town.
        over_towns: resample towns in the place of drives.
        resamples: of each part.
        confidence: of the two-sided interval.
        seed: of the generator.

    Raises:
        DataError: the shapes do not agree, or a value is not finite.
    """
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))
    count = values.shape[1]
    places = ["" for _ in range(count)] if towns is None else list(towns)
    if values.size == 0 or len(drives) != count or len(places) != count:
        message = f"{values.shape} values, {len(drives)} drives and {len(places)} towns"
        raise DataError(message, "give [seeds, scenes], and a drive and a town for each scene")
    if not np.isfinite(values).all():
        raise DataError("a value is not finite", "leave its scene out, for every seed alike")
    clusters, strata = _clusters(drives, places, over_towns)
    generator = np.random.default_rng(seed)
    of_seeds, of_scenes = values.mean(axis=1), values.mean(axis=0)
    seed_error = _seed_error(of_seeds, resamples, generator)
    cluster_error = _cluster_error(of_scenes, clusters, strata, resamples, generator)
    parts = [
        (seed_error, len(of_seeds) - 1),
        (cluster_error, len(strata) - len(set(strata.tolist()))),
    ]
    error, degrees = _together(parts)
    far = float(stdtrit(degrees, 0.5 + confidence / 2)) * error if degrees else np.nan
    estimate = float(values.mean())
    return Hierarchical(
        *(estimate, estimate - far, estimate + far, error, seed_error, cluster_error, degrees),
        *(len(of_seeds), len(strata)),
    )


def _clusters(
    drives: Sequence[str], towns: Sequence[str], over_towns: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cluster [n] of every scene, numbered from 0, and the stratum of every cluster."""
    if over_towns:
        names, numbers = np.unique(towns, return_inverse=True)
        return numbers.astype(np.int64), np.zeros(len(names), dtype=np.int64)
    pairs = np.array([f"{town}\0{drive}" for town, drive in zip(towns, drives, strict=True)])
    names, first, numbers = np.unique(pairs, return_index=True, return_inverse=True)
    _, strata = np.unique(np.asarray(towns)[first], return_inverse=True)
    return numbers.astype(np.int64), strata.astype(np.int64)


def _seed_error(means: Array, resamples: int, generator: np.random.Generator) -> float:
    """Standard error that the draw of seeds makes; 0 with one."""
    count = len(means)
    if count < 2:
        return 0.0
    drawn = generator.integers(0, count, (resamples, count))
    return float(means[drawn].mean(axis=1).std() * np.sqrt(count / (count - 1)))


def _cluster_error(
    means: Array,
    clusters: NDArray[np.int64],
    strata: NDArray[np.int64],
    resamples: int,
    generator: np.random.Generator,
) -> float:
    """Standard error that the draw of clusters within their strata makes; 0 where none can be."""
    count, groups = len(strata), len(set(strata.tolist()))
    if count <= groups:
        return 0.0
    sums, sizes = np.bincount(clusters, means), np.bincount(clusters).astype(float)
    total, number = np.zeros(resamples), np.zeros(resamples)
    for stratum in range(groups):
        members = np.flatnonzero(strata == stratum)
        drawn = members[generator.integers(0, len(members), (resamples, len(members)))]
        total += sums[drawn].sum(axis=1)
        number += sizes[drawn].sum(axis=1)
    return float((total / number).std() * np.sqrt(count / (count - groups)))


def _together(parts: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Standard error of independent parts, and its degrees of freedom (Satterthwaite 1946)."""
    known = [(error**2, freedom) for error, freedom in parts if freedom > 0]
    variance = sum(part for part, _ in known)
    if not known:
        return float("nan"), 0.0
    if variance == 0.0:
        return 0.0, float(sum(freedom for _, freedom in known))
    spread = sum(part**2 / freedom for part, freedom in known)
    return float(np.sqrt(variance)), float(variance**2 / spread)
