"""The floors of the gate against closed forms of Gaussian data, and scikit-learn's regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import Tensor

from reworld_agent.training.gate import (
    ChannelMoments,
    input_slope,
    last_latent_mean,
    wiener_velocity,
)
from reworld_agent.video.prior import wiener_error

MEANS, STDS = torch.tensor([0.5, -1.0, 0.0]), torch.tensor([1.0, 0.3, 2.0])
LEVELS = (0.0, 0.1, 0.5, 0.9, 1.0)


def gaussian(seed: int, scenes: int = 60) -> tuple[Tensor, Tensor]:
    """History and future [scenes, 3, F, 8, 8] whose last latent explains half of the future."""
    generator = torch.Generator().manual_seed(seed)
    shape = (1, 3, 1, 1, 1)
    history = torch.randn(scenes, 3, 2, 8, 8, generator=generator)
    rest = torch.randn(scenes, 3, 4, 8, 8, generator=generator)
    future = (history[:, :, -1:] + rest) / 2**0.5
    return history, future * STDS.view(shape) + MEANS.view(shape)


def fitted() -> ChannelMoments:
    moments = ChannelMoments()
    for seed in (1, 2):
        moments.add(*gaussian(seed))
    return moments


def test_moments_are_those_of_all_batches() -> None:
    moments = fitted()
    history, future = (torch.cat(side) for side in zip(gaussian(1), gaussian(2), strict=True))
    values = future.double().transpose(0, 1).flatten(1).numpy()
    np.testing.assert_allclose(moments.mean, values.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(moments.variance, values.var(axis=1), rtol=1e-9)
    last = history[:, :, -1:].expand_as(future).double().transpose(0, 1).flatten(1).numpy()
    for channel in range(3):
        x, y = last[channel][:, None], values[channel]
        other = LinearRegression().fit(x, y)
        assert float(moments.slope[channel]) == pytest.approx(other.coef_[0], rel=1e-9)
        assert float(moments.intercept[channel]) == pytest.approx(other.intercept_, abs=1e-9)
        left = np.var(y - other.predict(x))
        assert float(moments.residual_variance[channel]) == pytest.approx(left, rel=1e-9)


@pytest.mark.parametrize("t", LEVELS)
def test_the_filter_has_the_error_that_the_closed_form_says(t: float) -> None:
    moments, (history, future) = fitted(), gaussian(7)
    noise = torch.randn(future.shape, generator=torch.Generator().manual_seed(8))
    noisy, target = (1 - t) * future + t * noise, noise - future
    mean = moments.mean.view(1, -1, 1, 1, 1)
    regressed = last_latent_mean(moments, history, 4)
    plain = wiener_velocity(noisy, t, mean, moments.variance)
    better = wiener_velocity(noisy, t, regressed, moments.residual_variance)
    for found, variance in ((plain, STDS.square()), (better, STDS.square() / 2)):
        error = (found - target).square().mean(dim=(0, 2, 3, 4))
        torch.testing.assert_close(error, wiener_error(t, variance), rtol=0.05, atol=1e-4)


@pytest.mark.parametrize("t", LEVELS)
def test_no_other_line_does_better_on_gaussian_data(t: float) -> None:
    _, future = gaussian(3)
    noise = torch.randn(future.shape, generator=torch.Generator().manual_seed(4))
    noisy, target = (1 - t) * future + t * noise, noise - future
    for channel in range(3):
        x = noisy[:, channel].reshape(-1, 1).numpy()
        y = target[:, channel].reshape(-1).numpy()
        least = np.mean((LinearRegression().fit(x, y).predict(x) - y) ** 2)
        wanted = wiener_error(t, STDS[channel].square())
        assert least == pytest.approx(float(wanted), rel=0.05, abs=1e-4)


def test_slope_of_a_right_estimate_is_one_and_of_a_shrunk_one_what_it_is_shrunk_to() -> None:
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(20, 3, 4, 8, 8, generator=generator)
    scene = torch.randn(noise.shape, generator=generator)
    assert input_slope(noise, noise) == pytest.approx(1.0)
    assert input_slope(0.4 * noise + 3.0, noise) == pytest.approx(0.4)
    assert input_slope(noise - scene, noise) == pytest.approx(1.0, abs=0.02)
    assert input_slope(scene, noise) == pytest.approx(0.0, abs=0.02)
