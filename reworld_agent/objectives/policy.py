"""Losses that learn from rewards: policy gradient, KL, preferences.

Shapes: B scenes, N plans per scene, S steps of the sampler with noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_STEADY = 1e-4  # beside the deviation, as in Flow-GRPO's code
_SAME = 1e-9  # rewards whose deviation is below are equal


@dataclass(frozen=True)
class Advantages:
    """What each plan is worth beside the others.

    Attributes:
        values: [B, N]; 0 where a plan counts for nothing.
        counts: boolean [B, N]: the plans that are learned from.
        flat: boolean [B]: scenes whose plans all have one reward, or fewer than two have any.
    """

    values: Tensor
    counts: Tensor
    flat: Tensor


def group_advantages(rewards: Tensor, normalise: bool = True) -> Advantages:
    """A_i = (r_i - mean r) / (std r + 1e-4) over the plans of a scene (GRPO, arXiv 2402.03300).

    Args:
        rewards: [B, N]; NaN where a plan has none: it counts for nothing, nor in mean and std.
        normalise: divide by the deviation (of the population); False = Dr. GRPO's (2503.20783).
    """
    known = rewards.isfinite()
    mean = rewards.nanmean(dim=1, keepdim=True)
    spread = (rewards - mean).square().nanmean(dim=1, keepdim=True).sqrt()
    flat = ~(spread[:, 0] > _SAME)  # NaN of a scene without any reward too
    counts = known & ~flat[:, None]
    values = (rewards - mean) / (spread + _STEADY if normalise else 1.0)
    return Advantages(values.where(counts, torch.zeros_like(values)), counts, flat)


def baseline_advantages(rewards: Tensor, baseline: Tensor) -> Advantages:
    """A_i = r_i - b, b the reward [B] of the plan that would be driven (1612.00563).

    A scene whose baseline is NaN counts for nothing; one plan alone is enough.
    """
    known = rewards.isfinite() & baseline.isfinite()[:, None]
    away = rewards - baseline[:, None]
    values = away.where(known, torch.zeros_like(away))
    flat = ~(values.abs() > _SAME).any(dim=1)
    return Advantages(values, known & ~flat[:, None], flat)


def policy_gradient_loss(
    log_probability: Tensor,
    advantages: Advantages,
    dimensions: int,
    discount: float = 1.0,
    count: Tensor | None = None,
) -> Tensor:
    """-mean over plans and steps of A π / sg(π), log π a mean over a step's dimensions.

    Plans are drawn from the policy as it is: its ratio is 1, and needs no clip.

    Args:
        log_probability: of the steps, [S, B N].
        advantages: of the plans.
        dimensions: of a step.
        discount: factor of a step for each step after it (ReCogDrive's γ of denoising).
        count: of plans, what the sum is divided by; None = those of this batch that count.
    """
    steps, mean = len(log_probability), log_probability / dimensions
    weight = discount ** torch.arange(steps - 1, -1, -1, device=mean.device, dtype=mean.dtype)
    ratio = (mean - mean.detach()).exp()
    each = advantages.values.flatten().to(mean) * ratio * weight[:, None]
    counts = advantages.counts.flatten()
    return -mean_of_valid(each, counts, counts.sum() if count is None else count) / steps


def mean_of_valid(each: Tensor, valid: Tensor, count: Tensor) -> Tensor:
    """Sum of the valid values divided by `count`; 0 with a graph where there is none.

    A process, or a forward, that has a part of the batch names the mean count of all: below 1
    where few of them have any.
    """
    total = each.where(valid, torch.zeros_like(each)).sum()
    return total / count.where(count > 0, torch.ones_like(count))


def gaussian_kl(whitened: Tensor, reference: Tensor) -> Tensor:
    """KL [B N] in nats of two policies along chains, which differ in their means alone.

    With one covariance it is half the squared distance of the means, summed over the steps.

    Args:
        whitened, reference: `Transitions.whitened` [S, B N, L, 3] of the same chains.
    """
    return (whitened - reference).square().sum(dim=(0, 2, 3)) / 2


def preference_loss(
    better: Tensor, worse: Tensor, better_start: Tensor, worse_start: Tensor, beta: float
) -> Tensor:
    """-log sigmoid(-β/2 [(e_w - e_w⁰) - (e_l - e_l⁰)]), Diffusion-DPO (arXiv 2311.12908, Eq. 14).

    Args:
        better, worse: e [..]: mean squared error of the velocity of each pair's plans, at one time
            and with one noise.
        better_start, worse_start: the same of the policy that training started from, e⁰.
        beta: how far preferences may lead away from it: large = not far.

    Returns:
        The loss of each pair.
    """
    gain = (better - better_start) - (worse - worse_start)
    return -F.logsigmoid(-beta / 2 * gain)
