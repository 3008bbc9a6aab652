"""Fréchet distance against torchmetrics and scipy's square root of a matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from torchmetrics.image.fid import _compute_fid

from reworld_agent.core.errors import DataError
from reworld_agent.video_metrics.frechet import Gaussian, Moments, frechet_distance

Array = NDArray[np.float64]


def _sets(n: int, d: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(d, d))
    return rng.normal(size=(n, d)) @ mix + 100, rng.normal(size=(n + 3, d)) * 1.2 + 100.3


def _moments(features: Array) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(features.mean(axis=0)), torch.from_numpy(np.cov(features.T))


@pytest.mark.parametrize(("n", "d"), [(50, 20), (2000, 40), (9, 2)])
def test_equals_torchmetrics_and_sqrtm(n: int, d: int) -> None:
    x, y = _sets(n, d)
    found = frechet_distance(Gaussian.of(x), Gaussian.of(y))
    assert found == pytest.approx(_compute_fid(*_moments(x), *_moments(y)).item(), rel=1e-10)
    root = np.trace(sqrtm(np.cov(x.T) @ np.cov(y.T)).real)
    traces = np.trace(np.cov(x.T)) + np.trace(np.cov(y.T))
    shift = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    assert found == pytest.approx(shift + traces - 2 * root, rel=1e-10)


def test_fewer_clips_than_features() -> None:
    x, y = _sets(20, 60)
    found = frechet_distance(Gaussian.of(x), Gaussian.of(y))
    # The reference loses half its digits here: its matrix is singular.
    assert found == pytest.approx(_compute_fid(*_moments(x), *_moments(y)).item(), rel=1e-7)
    assert found == pytest.approx(frechet_distance(_in_parts(x), _in_parts(y)), rel=1e-10)


def _in_parts(features: Array) -> Gaussian:
    moments = Moments()
    for part in np.array_split(features, 7):
        moments.add(part)
    return moments.gaussian()


def test_parts_give_what_the_whole_gives() -> None:
    x, _ = _sets(500, 12)
    x += 1e6  # a mean that naive sums of squares drown in
    found = _in_parts(x)
    np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(x.T), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("n", "d"), [(300, 40), (20, 60)])
def test_identical_sets_are_at_zero(n: int, d: int) -> None:
    x, _ = _sets(n, d)
    assert frechet_distance(Gaussian.of(x), Gaussian.of(x[::-1])) < 1e-8
    assert frechet_distance(_in_parts(x), Gaussian.of(x)) < 1e-7


def test_closed_form_of_a_shift_and_a_scale() -> None:
    x, _ = _sets(4000, 3)
    shifted = frechet_distance(Gaussian.of(x), Gaussian.of(x + np.array([3.0, 4.0, 0.0])))
    assert shifted == pytest.approx(25.0, rel=1e-9)
    centred = x - x.mean(axis=0)
    doubled = frechet_distance(Gaussian.of(centred), Gaussian.of(2 * centred))
    assert doubled == pytest.approx(np.trace(np.cov(x.T)), rel=1e-9)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (np.full((4, 3), np.nan), "feature 0 is not finite"),
        (np.array([[1.0, 2.0], [3.0, np.inf]]), "feature 1 is not finite"),
        (np.ones((1, 3)), "1 clips have no covariance"),
        (np.ones((0, 3)), "0 clips have no covariance"),
        (np.ones(3), "shape"),
    ],
)
def test_what_has_no_covariance_is_refused(features: Array, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Gaussian.of(features)


def test_features_of_two_networks_are_refused() -> None:
    moments = Moments()
    moments.add(np.ones((2, 3)))
    with pytest.raises(DataError, match="width 4 among features of width 3"):
        moments.add(np.ones((2, 4)))
