"""L_Gen, Eq. 2: the Video DiT's velocity against noise - z_0, on generated tokens only."""

from __future__ import annotations

from torch import Tensor

from reworld_agent.objectives.flow import masked_mse


def generation_loss(velocity: Tensor, target: Tensor, future: Tensor) -> Tensor:
    """Mean squared error of velocity [B, N, C]; `future` [N] is False on condition tokens."""
    return masked_mse(velocity, target, future)
