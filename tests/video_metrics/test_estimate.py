"""Bias and interval of a Fréchet distance, where the truth is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reworld_agent.video_metrics.estimate import (
    distance,
    estimate,
    interval,
    mean_interval,
    unbiased,
)

D = 20
TRUTH = D * (1.5 - 1) ** 2  # N(0, 1) against N(0, 1.5²) in D dimensions


def _draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, D)), rng.normal(size=(n, D)) * 1.5


def test_extrapolation_takes_the_bias_off() -> None:
    sets = [_draw(300, seed) for seed in range(12)]
    plain = np.mean([distance(*pair) for pair in sets])
    free = np.mean([unbiased(*pair, repeats=2) for pair in sets])
    assert plain - TRUTH > 0.8
    assert abs(free - TRUTH) < 0.25


def test_interval_covers_the_truth_though_the_distance_is_biased() -> None:
    covered = 0
    for seed in range(10):
        real, generated = _draw(300, 100 + seed)
        low, high = interval(real, generated, paired=False, resamples=60, seed=seed)
        assert low < high < distance(real, generated)
        covered += low <= TRUTH <= high
    assert covered >= 8


def test_estimate_is_repeatable_and_marks_what_is_too_few() -> None:
    real, generated = _draw(40, 0)
    first, second = (estimate(real, generated, True, resamples=20, seed=3) for _ in range(2))
    assert first == second
    assert first.few
    assert first.real == first.generated == 40
    assert math.isfinite(first.unbiased)


def test_a_handful_of_clips_has_no_interval() -> None:
    real, generated = _draw(3, 0)
    found = estimate(real, generated)
    assert found.few
    assert found.value > 0
    assert all(math.isnan(x) for x in (found.unbiased, found.low, found.high))


def test_mean_interval() -> None:
    values = np.random.default_rng(0).normal(5.0, 1.0, size=400)
    low, high = mean_interval(values, 500)
    half = 1.96 / math.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)
    assert mean_interval(np.full(20, 2.0), 100) == (2.0, 2.0)
    assert math.isnan(mean_interval(values[:5], 100)[0])
    assert math.isnan(mean_interval(np.append(values, np.inf), 100)[0])
