"""L_align, Eq. 11: the action state keeps the direction of what it read from the video.

Eqs. 10, 11 with the readings of the paper's second version: the readout r is taken after the
attention's output projection, and the loss is the mean over blocks and waypoints. The authors'
release aligns a block's output with a projected readout instead, and stops no gradient but that of
the video states.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from reworld_agent.core.errors import ConfigError
from reworld_agent.planner.heads import Readout


def alignment_loss(pairs: Iterable[tuple[Tensor, Tensor]], stop_gradient: bool = True) -> Tensor:
    """Mean of 1 - cos(a, r) over the pairs (a, r), each [B, L, D]; r is detached if asked."""
    terms = [
        1 - F.cosine_similarity(a.float(), (r.detach() if stop_gradient else r).float(), dim=-1)
        for a, r in pairs
    ]
    if not terms:
        raise ConfigError(
            "L_align is on, but no block is aligned", "set align_blocks, such as [12]"
        )
    return torch.stack(terms).mean()


def readout_loss(taps: Sequence[Readout]) -> Tensor:
    """L_align of tapped blocks: the release's pair where they have a projected readout."""
    projected = [(tap.output, tap.projected) for tap in taps if tap.projected is not None]
    if projected:
        return alignment_loss(projected, stop_gradient=False)
    return alignment_loss((tap.state, tap.readout) for tap in taps)
