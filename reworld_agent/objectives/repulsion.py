"""L_RDE, Eqs. 16 to 18: the plan moves away from a near but unsafe one, in increment space."""

from __future__ import annotations

import torch
from torch import Tensor

from reworld_agent.planner.actions import delta


def repulsion_loss(
    plan: Tensor,
    negative: Tensor,
    valid: Tensor,
    cap: float | None = None,
    count: Tensor | None = None,
) -> Tensor:
    """Minus the mean distance of the increments of plan and negative, over the valid scenes.

    Args:
        plan: estimated plans [B, L, 3], de-normalised (m, m, rad), not clamped.
        negative: hard negatives, same shape; whatever stands where a scene has none.
        valid: boolean [B], True for scenes with a negative. None valid gives 0 with a graph.
        cap: bound of the distance of one scene (off in the paper: the loss is unbounded).
        count: what the sum is divided by; None = the valid scenes of this batch (a process that
            holds a part of the batch names the mean of all processes).
    """
    distance = (delta(plan.float()) - delta(negative.float())).abs().mean(dim=(1, 2))
    if cap is not None:
        distance = distance.clamp(max=cap)
    count = valid.sum() if count is None else count
    count = count.where(count > 0, torch.ones_like(count))
    return -distance.where(valid, distance.new_zeros(())).sum() / count
