"""L_FM, Eq. 4: the Action DiT's velocity against noise - a_0, in normalised action space."""

from __future__ import annotations

from torch import Tensor

from reworld_agent.objectives.flow import masked_mse


def action_flow_loss(velocity: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of velocity [B, L, 3]."""
    return masked_mse(velocity, target)
