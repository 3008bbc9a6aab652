"""Imagining the future: Euler sampler with self-guidance (paper Eq. 9) and, with text, CFG.

t runs from 1 (noise) to 0 (data); the network predicts the velocity noise - data.
Shapes: B batch, N tokens, C latent channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from reworld_agent.config import SamplingConfig
from reworld_agent.config.sigmas import SCHEDULES
from reworld_agent.core.errors import ConfigError
from reworld_agent.video.backbones import Condition, VideoBackbone, run_backbone
from reworld_agent.video.backbones.action_tokens import ActionTokens
from reworld_agent.video.conditioning import Layout


@dataclass(frozen=True)
class Guidance:
    """How strongly, by which block and when the sampler guides itself.

    Attributes:
        gamma: 1 = the plain velocity; the paper uses 1.4.
        block: the mid head that is extrapolated away from; None = the first.
        low, high: the noise levels t at which guidance is on.
    """

    gamma: float = 1.4
    block: int | None = None
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def of(cls, config: SamplingConfig) -> Guidance | None:
        """The self-guidance of a configuration; None where gamma switches it off."""
        return None if config.gamma == 1 else cls(config.gamma, None, config.low, config.high)


def guided_velocity(mid: Tensor, final: Tensor, gamma: float) -> Tensor:
    """Eq. 9: v_mid + gamma (v_final - v_mid)."""
    return mid + gamma * (final - mid)


Velocity = Callable[[Tensor, Tensor], Tensor]


def dit_velocity(
    dit: VideoBackbone,
    condition: Condition,
    layout: Layout,
    guidance: Guidance | None = None,
    round_times: bool = False,
    actions: ActionTokens | None = None,
) -> Velocity:
    """The function (latents [B, N, C], token times [B, N]) to velocity [B, N, C].

    Args:
        dit: the video backbone.
        condition: of the B samples, see `condition_of`.
        layout: where the tokens are.
        guidance: None = the plain velocity.
        round_times: of the model's configuration.
        actions: that lead to the future, of a backbone with action tokens; None = unknown.
    """
    if guidance is not None and not dit.mid_heads:
        raise ConfigError("self-guidance needs a mid head", "set video.mid_blocks, or gamma=1")
    if guidance is not None and guidance.block and str(guidance.block) not in dit.mid_heads:
        known = ", ".join(dit.mid_heads)
        raise ConfigError(f"block {guidance.block} has no mid head", f"guide by block {known}")

    def velocity(latents: Tensor, times: Tensor) -> Tensor:
        """Velocity [B, N, C] of latents [B, N, C] at token times [B, N], guided where asked."""
        t = float(times.max())
        guided = guidance is not None and guidance.low <= t <= guidance.high
        output = run_backbone(
            *(dit, latents, times, layout, condition),
            run_heads=guided,
            round_times=round_times,
            actions=actions,
        )
        if guidance is None or not guided:
            return output.velocity
        block = guidance.block or min(output.mid)
        return guided_velocity(output.mid[block], output.velocity, guidance.gamma)

    return velocity


def cfg_velocity(conditional: Velocity, free: Velocity, scale: float) -> Velocity:
    """Classifier-free guidance: free + scale (conditional - free), each self-guided before.

    That order is Internal Guidance's (arXiv 2512.24176).

    Args:
        conditional: see `dit_velocity`; with the prompt.
        free: likewise, with the negative or null prompt.
        scale: 1 = off, and `free` is not evaluated.
    """
    if scale == 1:
        return conditional

    def velocity(latents: Tensor, times: Tensor) -> Tensor:
        """Velocity [B, N, C] of latents [B, N, C] at token times [B, N]."""
        base = free(latents, times)
        return base + scale * (conditional(latents, times) - base)

    return velocity


@torch.no_grad()
def sample_video(
    velocity: Velocity,
    condition: Tensor,
    future: Tensor,
    noise: Tensor,
    steps: int = 30,
    schedule: str = "linear_quadratic",
    progress: bool = False,
) -> Tensor:
    """Integrate from noise to latents; condition tokens stay clean (t = 0) throughout.

    Args:
        velocity: see `dit_velocity`.
        condition: latents [B, N, C]; only the condition tokens are read.
        future: boolean [N], True for generated tokens.
        noise: [B, N, C].
        steps: Euler steps.
        schedule: `linear_quadratic` or `uniform` noise levels.
        progress: show a bar.
    """
    mask = future[None, :, None]
    latents = torch.where(mask, noise, condition)
    levels = SCHEDULES[schedule](steps)
    pairs = list(zip(levels, [*levels[1:], 0.0], strict=True))
    for level, following in tqdm(pairs, desc="imagining", disable=not progress):
        times = torch.full_like(latents[..., 0], level) * future
        step = (following - level) * velocity(latents, times)
        latents = torch.where(mask, latents + step, condition)
    return latents
