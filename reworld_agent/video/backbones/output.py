"""What one forward of a video backbone gives.

Shapes: B batch, N video tokens, D width, C latent channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from diffusers.utils import BaseOutput
from torch import Tensor

from reworld_agent.core.errors import ReWorldError


@dataclass
class VideoOutput(BaseOutput):
    """Velocities and states; a `BaseOutput`, so that DDP and FSDP2 find the tensors in it.

    Attributes:
        sample: velocity [B, N, C] of the last block; None after an early exit.
        mid: velocity [B, N, C] of each mid head, by block (from 1).
        states: post-block states [B, N, D] of the tapped blocks, in order.
        actions: velocity [B, A, n] of action tokens, of a backbone with them.
    """

    sample: Tensor | None = None
    mid: dict[int, Tensor] = field(default_factory=dict)
    states: list[Tensor] = field(default_factory=list)
    actions: Tensor | None = None

    @property
    def velocity(self) -> Tensor:
        """Velocity [B, N, C] of the last block; ReWorldError after an early exit."""
        if self.sample is None:
            raise ReWorldError(
                "the backbone left before its last block", "call it without stop_after"
            )
        return self.sample
