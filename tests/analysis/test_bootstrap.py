"""Intervals against SciPy's, and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reworld_agent.analysis.comparison.bootstrap import mean_intervals

GENERATOR = np.random.default_rng(3)


@pytest.mark.parametrize("values", [GENERATOR.normal(0.1, 1, 60), GENERATOR.exponential(1, 60)])
def test_intervals_of_scenes_are_those_of_scipy(values: np.ndarray) -> None:
    ours = mean_intervals(values[:, None], np.arange(60), resamples=20_000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=1)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.low[0] == pytest.approx(theirs.confidence_interval.low, abs=0.03 * width)
    assert ours.high[0] == pytest.approx(theirs.confidence_interval.high, abs=0.03 * width)
    assert ours.standard_error[0] == pytest.approx(theirs.standard_error, rel=0.03)


def test_intervals_of_logs_are_those_of_scipy() -> None:
    logs = np.repeat(np.arange(30), GENERATOR.integers(1, 20, 30))
    values = GENERATOR.normal(0, 1, 30)[logs] + GENERATOR.normal(0, 0.3, len(logs))

    def mean(sums: np.ndarray, counts: np.ndarray, axis: int) -> np.ndarray:
        return sums.sum(axis) / counts.sum(axis)

    own = (np.bincount(logs, values), np.bincount(logs).astype(float))
    theirs = stats.bootstrap(own, mean, paired=True, n_resamples=20_000, rng=1, method="BCa")
    ours = mean_intervals(values[:, None], logs, resamples=20_000)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.low[0] == pytest.approx(theirs.confidence_interval.low, abs=0.03 * width)
    assert ours.high[0] == pytest.approx(theirs.confidence_interval.high, abs=0.03 * width)
    one_by_one = mean_intervals(values[:, None], np.arange(len(values)), resamples=2_000)
    assert ours.standard_error[0] > 1.5 * one_by_one.standard_error[0]


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for trial in range(100):
        values = np.random.default_rng(trial).normal(0.2, 1, 50)
        found = mean_intervals(values[:, None], np.arange(50), resamples=500, seed=trial)
        covered += found.low[0] <= 0.2 <= found.high[0]
    assert 87 <= covered <= 100


def test_minimum_detectable_difference_is_found_four_times_in_five() -> None:
    null = np.random.default_rng(0).normal(0, 1, 100)
    detectable = mean_intervals(null[:, None], np.arange(100)).minimum_detectable[0]
    hits = 0
    for trial in range(100):
        values = np.random.default_rng(trial + 1).normal(detectable, 1, 100)
        hits += mean_intervals(values[:, None], np.arange(100), 500, seed=trial).low[0] > 0
    assert 68 <= hits <= 92


def test_what_does_not_vary_and_what_cannot_be_known() -> None:
    same = mean_intervals(np.full((10, 1), 0.5), np.arange(10), 100)
    assert (same.low[0], same.high[0], same.minimum_detectable[0]) == (0.5, 0.5, 0.0)
    alone = mean_intervals(np.ones((10, 2)), np.zeros(10, np.int64), 100)
    assert np.isnan(alone.low).all()
    holes = np.array([[np.nan], [1.0], [2.0], [3.0]])
    assert np.isfinite(mean_intervals(holes, np.arange(4), 200).low).all()


def test_many_scenes_are_grouped_without_changing_the_spread() -> None:
    values = np.random.default_rng(0).normal(0, 1, (40_000, 1))
    found = mean_intervals(values, np.arange(40_000), resamples=1_000)
    assert found.standard_error[0] == pytest.approx(1 / 200, rel=0.08)
