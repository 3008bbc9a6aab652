"""L_Mid, Eq. 7: every mid head against the same target as the last one.

The mean over the supervised blocks, as in the paper's second version (the first one sums).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from reworld_agent.core.errors import ConfigError
from reworld_agent.objectives.flow import masked_mse


def intermediate_loss(mid: Mapping[int, Tensor], target: Tensor, future: Tensor) -> Tensor:
    """Mean over blocks of the masked error of their velocities [B, N, C]."""
    if not mid:
        raise ConfigError("L_Mid is on, but the model has no mid head", "set video.mid_blocks")
    return torch.stack([masked_mse(v, target, future) for v in mid.values()]).mean()
