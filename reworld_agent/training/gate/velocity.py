"""The velocity's error at each noise level, beside the closed forms'; its slope at t = 1.

Shapes: B scenes, C latent channels, F latent frames, N tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.flow import interpolate, velocity_target
from reworld_agent.training.gate.floors import (
    ChannelMoments,
    input_slope,
    last_latent_mean,
    wiener_velocity,
    zero_error,
)
from reworld_agent.video.backbones import run_backbone
from reworld_agent.video.conditioning import pack, unpack
from reworld_agent.video.encoding import encode_clip

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)  # of t; the planner reads the last
BATCH = 16


@dataclass(frozen=True)
class VelocityError:
    """Mean squared errors at one noise level: the model's, and those of 0 and the closed forms."""

    t: float
    model: float
    zero: float
    wiener: float
    last_latent: float


@dataclass(frozen=True)
class Velocity:
    """Errors at all levels, and the slope on the input noise at t = 1."""

    errors: tuple[VelocityError, ...]
    slope: float


@dataclass(frozen=True)
class Latents:
    """Latents of some scenes, and their features, in batches of BATCH; encoded once."""

    batches: tuple[tuple[Tensor, Tensor, dict[str, Tensor]], ...]

    @classmethod
    def of(cls, model: ReWorldModel, scenes: Any, label: str) -> Latents:
        """Encode a data set of scenes with their future images."""
        history = model.grid.history
        found = []
        for features, targets, _ in tqdm(DataLoader(scenes, BATCH), desc=label, delay=5.0):
            with torch.no_grad():
                latents = encode_clip(
                    model.codec,
                    model.config.clip,
                    features["images"].to(model.device),
                    targets["future_images"].to(model.device),
                )
            kept = {"ego": features["ego"]}
            found.append((latents[:, :, :history], latents[:, :, history:], kept))
        return cls(tuple(found))

    def moments(self) -> ChannelMoments:
        """What the closed forms are made of."""
        moments = ChannelMoments()
        for history, future, _ in self.batches:
            moments.add(history, future)
        return moments


def judge_velocity(
    model: ReWorldModel, held_out: Latents, moments: ChannelMoments, seed: int
) -> Velocity:
    """Errors of a model and of the closed forms on the same scenes and noise.

    Args:
        model: in evaluation mode.
        held_out: scenes that nothing was fitted to.
        moments: of training scenes.
        seed: of the noise, which is the same at every level and for every model.
    """
    errors, slope = [], 0.0
    for t in LEVELS:
        rows: list[np.ndarray] = []
        pairs: list[tuple[Tensor, Tensor]] = []
        for (history, future, features), noise in _noised(held_out, seed):
            noisy = interpolate(future, noise, noise.new_full((len(noise),), t))
            found = _velocity(model, history, noisy, t, features)
            target = velocity_target(future, noise)
            closed = _closed_forms(moments, history, noisy, t)
            rows.append(_errors([found, *closed], target))
            if t == 1.0:
                pairs.append((found.cpu(), noise.cpu()))
        means = np.concatenate(rows).mean(axis=0)
        errors.append(VelocityError(t, *(float(value) for value in means)))
        if pairs:
            slope = input_slope(*(torch.cat(side) for side in zip(*pairs, strict=True)))
    return Velocity(tuple(errors), slope)


def _noised(held_out: Latents, seed: int) -> Iterator[tuple[Any, Tensor]]:
    for number, batch in enumerate(held_out.batches):
        future = batch[1]
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        yield batch, torch.randn(future.shape, generator=generator).to(future)


@torch.no_grad()
def _velocity(
    model: ReWorldModel, history: Tensor, noisy: Tensor, t: float, features: dict[str, Tensor]
) -> Tensor:
    """The model's velocity [B, C, F, h, w] of the noisy future behind a clean history."""
    tokens = pack(torch.cat([history, noisy], dim=2)).to(model.video_dit.dtype)
    grid = model.grid
    times = grid.token_times(torch.full((len(tokens),), t, device=tokens.device))
    output = run_backbone(
        *(model.video_dit, tokens, grid.frame_times(times), model.layout()),
        model.context(len(tokens), features, planning=True),
        run_heads=False,
        round_times=model.config.video.round_times,
    )
    return unpack(output.velocity.float(), grid)[:, :, grid.history :]


def _closed_forms(
    moments: ChannelMoments, history: Tensor, noisy: Tensor, t: float
) -> tuple[Tensor, Tensor]:
    mean = moments.mean.view(1, -1, 1, 1, 1)
    regressed = last_latent_mean(moments, history, noisy.size(2))
    return (
        wiener_velocity(noisy, t, mean, moments.variance),
        wiener_velocity(noisy, t, regressed, moments.residual_variance),
    )


def _errors(estimates: Iterable[Tensor], target: Tensor) -> np.ndarray:
    """[B, 4]: of the model, of zero, of both closed forms."""
    model, wiener, last = (
        (found - target).square().flatten(1).mean(dim=1).double().cpu().numpy()
        for found in estimates
    )
    zero = zero_error(target).double().cpu().numpy()
    return np.stack([model, zero, wiener, last], axis=1)
