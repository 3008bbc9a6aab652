"""L_align, Eq. 11: the action state keeps the direction of what it read from the video.

Eqs. 10, 11 with the readings of the paper's second version: the readout r is taken after the
attention's output projection, and the loss is the mean over blocks and waypoints.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from reworld_agent.errors import ConfigError


def alignment_loss(pairs: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Mean of 1 - cos(a, stop-gradient(r)) over the pairs (a, r), each [B, L, D]."""
    terms = [
        1 - F.cosine_similarity(state.float(), readout.detach().float(), dim=-1)
        for state, readout in pairs
    ]
    if not terms:
        raise ConfigError(
            "L_align is on, but no block is aligned", "set align_blocks, such as [12]"
        )
    return torch.stack(terms).mean()
