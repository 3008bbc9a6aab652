"""Random numbers of a batch that do not depend on how many processes share it out.

Every process makes the numbers of the global batch and keeps those of its own samples, which are
every `world`-th one: two processes with half a batch each learn what one learns with the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reworld_agent.objectives.flow import draw_times, draw_token_times


@dataclass(frozen=True)
class ShardedRng:
    """Where the numbers come from, and which share of them is this process's.

    Attributes:
        generator: of all numbers; None = torch's global one.
        rank, world: of the process; sample i of its batch is number i * world + rank of all.
    """

    generator: torch.Generator | None = None
    rank: int = 0
    world: int = 1

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Standard normal numbers [B, ...], on the device and in the dtype of `like`."""
        whole = (shape[0] * self.world, *shape[1:])
        numbers = torch.randn(whole, generator=self.generator, device=like.device, dtype=like.dtype)
        return numbers[self.rank :: self.world]

    def times(
        self, shape: Sequence[int], distribution: str, like: Tensor, tokens: int = 0
    ) -> Tensor:
        """Times [B, ...] in [0, 1], see `draw_times`."""
        whole = (shape[0] * self.world, *shape[1:])
        times = draw_times(whole, distribution, self.generator, like, tokens)
        return times[self.rank :: self.world]

    def common(self, like: Tensor) -> float:
        """One number from 0 to 1, the same for all processes."""
        return float(torch.rand((), generator=self.generator, device=like.device))

    def token_times(
        self, batch: int, frames: int, cells: int, mode: str, distribution: str, like: Tensor
    ) -> Tensor:
        """Times [B, frames * cells], see `draw_token_times`."""
        whole = batch * self.world
        times = draw_token_times(whole, frames, cells, mode, distribution, self.generator, like)
        return times[self.rank :: self.world]

    def total(self, count: Tensor) -> Tensor:
        """A count of this process's samples to the mean count of all processes."""
        if self.world == 1:
            return count
        torch.distributed.all_reduce(count)
        return count / self.world
