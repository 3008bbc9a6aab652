"""Tokens of actions beside those of the video: one for each latent of the future.

Shapes: B batch, A = F_future action tokens, n numbers of an action, N video tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reworld_agent.video.conditioning import Layout


@dataclass(frozen=True)
class ActionTokens:
    """What leads to each future latent, noised as latents are.

    Attributes:
        values: [B, A, n] normalised; token k leads to future latent k.
        times: t [B or 1, A]: 1 = noise, 0 = clean.
        coords: [1, 3, A] time, row and column, as those of video tokens.
    """

    values: Tensor
    times: Tensor
    coords: Tensor

    @classmethod
    def of(cls, values: Tensor, times: Tensor, layout: Layout) -> ActionTokens:
        """Tokens in the middle of the frames of the latents that they lead to."""
        return cls(values, times, action_coords(layout))

    @classmethod
    def unknown(cls, like: Tensor, numbers: int, layout: Layout) -> ActionTokens:
        """The mean of pure noise: nothing is known; for samples `like` [B, N, C]."""
        count = layout.grid.future
        values = like.new_zeros(like.size(0), count, numbers)
        return cls.of(values, like.new_ones(1, count), layout)

    def followed_by(self, others: ActionTokens) -> ActionTokens:
        """These tokens, then others, of as many samples."""
        batch = self.values.size(0)
        times = [one.times.expand(batch, -1) for one in (self, others)]
        return ActionTokens(
            torch.cat([self.values, others.values.to(self.values)], dim=1),
            torch.cat(times, dim=1),
            torch.cat([self.coords, others.coords], dim=2),
        )

    def part(self, first: int, last: int) -> ActionTokens:
        """Those that lead to future latents `first` to `last` - 1."""
        return replace(
            self,
            values=self.values[:, first:last],
            times=self.times[:, first:last],
            coords=self.coords[:, :, first:last],
        )


def action_coords(layout: Layout) -> Tensor:
    """Positions [1, 3, A]: the time of each future latent, the mean of its rows and columns."""
    grid = layout.grid
    return layout.coords.unflatten(2, (grid.frames, -1)).mean(dim=3)[:, :, grid.history :]
