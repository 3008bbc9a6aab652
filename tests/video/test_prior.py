"""The closed form under a Video DiT, against scikit-learn's regression and Monte Carlo."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from sklearn.linear_model import LinearRegression

from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.core.errors import ConfigError, ReWorldError
from reworld_agent.video.backbones import condition_of, run_backbone
from reworld_agent.video.backbones.ltx import VideoDiT
from reworld_agent.video.conditioning import Grid, Layout, pack
from reworld_agent.video.prior import LastLatentPrior
from tests.video.small import SIZES, inputs

FRAMES, CHANNELS = 2, 3
GRID = Grid(history=2, future=FRAMES, height=2, width=2)


def latents(samples: int = 4000) -> torch.Tensor:
    """[samples, C, 1 + F, 2, 2], the future a noisy linear function of the first frame."""
    generator = torch.Generator().manual_seed(1)
    first = torch.randn(samples, CHANNELS, 1, 2, 2, generator=generator)
    noise = torch.randn(samples, CHANNELS, FRAMES, 2, 2, generator=generator)
    slopes = torch.tensor([[0.9, 0.2, -0.4], [0.5, 0.0, 0.3]]).T[None, :, :, None, None]
    return torch.cat([first, slopes * first + 0.3 + 0.5 * noise], dim=2)


def fitted() -> LastLatentPrior:
    """The prior of `latents`."""
    prior = LastLatentPrior(FRAMES, CHANNELS)
    prior.fit(latents())
    return prior


def test_fit_is_the_regression_of_every_frame_and_channel() -> None:
    prior, data = fitted(), latents().double().numpy()
    for frame in range(FRAMES):
        for channel in range(CHANNELS):
            known = data[:, channel, 0].reshape(-1, 1)
            wanted = data[:, channel, 1 + frame].reshape(-1)
            line = LinearRegression().fit(known, wanted)
            assert float(prior.slope[frame, channel]) == pytest.approx(line.coef_[0], abs=1e-5)
            assert float(prior.intercept[frame, channel]) == pytest.approx(
                line.intercept_, abs=1e-5
            )
            left = (wanted - line.predict(known)).var()
            assert float(prior.variance[frame, channel]) == pytest.approx(left, rel=1e-4)
    with pytest.raises(ConfigError, match="2 future latents for a prior of 1"):
        LastLatentPrior(1, CHANNELS).fit(latents(2))


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9, 1.0])
def test_estimate_is_least_squares_and_its_error_the_one_foretold(t: float) -> None:
    prior, clean = fitted(), latents()
    history = torch.cat([clean[:, :, :1], clean[:, :, :1]], dim=2)
    future = clean[:, :, 1:]
    noise = torch.randn(future.shape, generator=torch.Generator().manual_seed(2))
    tokens = pack(torch.cat([history, (1 - t) * future + t * noise], dim=2))
    target = pack(noise - future)
    times = GRID.token_times(torch.full((1,), t))
    estimate, scale = prior(tokens, times, GRID)
    again, _ = prior(tokens, GRID.frame_times(times), GRID)
    torch.testing.assert_close(again, estimate)
    error = ((target - estimate) / scale).unflatten(1, (FRAMES, -1))
    torch.testing.assert_close(
        error.square().mean((0, 2)), torch.ones(FRAMES, CHANNELS), rtol=0.05, atol=0
    )
    # nothing linear in input and history is left
    left, given = error.flatten(0, 2), tokens[:, 8:].unflatten(1, (FRAMES, -1)).flatten(0, 2)
    assert (left * given).mean(0).abs().max() < 0.03


def test_video_dit_starts_as_the_prior_and_adds_to_it() -> None:
    torch.manual_seed(0)
    given = inputs()
    plain = VideoDiT(**SIZES, mid_blocks=(1,)).eval()
    ours = VideoDiT(**SIZES, mid_blocks=(1,), prior_frames=1).eval()
    grid = Grid(history=1, future=1, height=3, width=4)
    with torch.no_grad():
        first = ours(**given, grid=grid)
        estimate, scale = ours.prior(given["hidden_states"], given["timestep"] / 1000, grid)
        torch.testing.assert_close(first.velocity[:, 12:], estimate)
        torch.testing.assert_close(first.mid[1][:, 12:], estimate)
        ours.load_state_dict(plain.state_dict(), strict=False)
        without, found = plain(**given), ours(**given, grid=grid)
        torch.testing.assert_close(
            found.velocity[:, 12:], estimate + scale * without.velocity[:, 12:]
        )
        torch.testing.assert_close(found.velocity[:, :12], without.velocity[:, :12])
    early = ours(**given, grid=grid, stop_after=2)
    assert early.sample is None and set(early.mid) == {1}
    with pytest.raises(ReWorldError, match="without its grid"):
        ours(**given)


def test_longer_future_goes_on_as_the_last_fitted_frame() -> None:
    prior = fitted()
    longer = dataclasses.replace(GRID, future=3)
    tokens = torch.randn(1, longer.tokens, CHANNELS, generator=torch.Generator().manual_seed(0))
    tokens[:, -4:] = tokens[:, -8:-4]
    estimate, _ = prior(tokens, longer.token_times(torch.tensor([0.7])), longer)
    torch.testing.assert_close(estimate[:, -4:], estimate[:, -8:-4])


def test_prior_follows_the_clip_and_is_refused_where_it_cannot_be() -> None:
    tiny = load_model_config("tiny").to_dict()
    tiny["video"]["prior"] = "last_latent"
    config = ModelConfig.from_dict(tiny)
    assert config.video.prior_frames == config.clip.future_latents(config.codec.temporal_ratio)
    assert ModelConfig.from_dict(config.to_dict()) == config
    for part, key, value, words in (
        ("video", "prior_frames", 7, "leave video.prior_frames out"),
        ("clip", "encoding", "per_frame", "clip.encoding: continued"),
        ("video", "backbone", "wan", "leave video.prior out"),
        ("video", "prior", "both", "video.prior"),
    ):
        wrong = {**tiny, part: {**tiny[part], key: value}}
        with pytest.raises(ConfigError) as error:
            ModelConfig.from_dict(wrong)
        assert words in f"{error.value} {error.value.hint}"


def test_prior_reaches_every_forward_by_the_one_runner() -> None:
    torch.manual_seed(0)
    dit = VideoDiT(**SIZES, prior_frames=1).eval()
    grid = Grid(history=1, future=1, height=3, width=4)
    given = inputs()
    layout = Layout(grid, given["video_coords"])
    condition = condition_of(given["encoder_hidden_states"])
    with torch.no_grad():
        output = run_backbone(dit, given["hidden_states"], torch.ones(2), layout, condition)
    noise = given["hidden_states"][:, 12:]
    torch.testing.assert_close(output.velocity[:, 12:], noise)  # unfitted: mean 0
