"""What block-causal attention sees: chunks, a window, and clean past chunks beside noised ones.

The history is the first chunk, each `chunk` future latents are another, with the actions that lead
to them. Shapes: B batch, N video tokens, N_f of them of the future, A action tokens, C latent
channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reworld_agent.video.backbones.action_tokens import ActionTokens
from reworld_agent.video.conditioning import Layout


@dataclass(frozen=True)
class CleanFuture:
    """The future as it came, which noised chunks see in the place of earlier noised ones.

    This is RepWAM's teacher forcing (arXiv 2606.13674): in one forward every chunk sees what it
    sees when chunk after chunk is imagined (see `video.chunks`), where the past is clean.

    Attributes:
        latents: [B, N_f, C].
        actions: that led to them; None = nothing is known of them.
    """

    latents: Tensor
    actions: ActionTokens | None = None

    def behind(self, noisy: Tensor, times: Tensor, layout: Layout) -> tuple[Tensor, Tensor, Tensor]:
        """Latents [B, N + N_f, C], times [B or 1, N + N_f] and coordinates of both together.

        Args:
            noisy: latents [B, N, C].
            times: t of runs of their tokens, [B or 1, T].
            layout: of the N tokens.
        """
        later = layout.coords[:, :, layout.grid.history * layout.grid.cells :]
        each = times.repeat_interleave(noisy.size(1) // times.size(1), dim=1)
        clean = each.new_zeros(each.size(0), self.latents.size(1))
        return (
            torch.cat([noisy, self.latents.to(noisy)], dim=1),
            torch.cat([each, clean], dim=1),
            torch.cat([layout.coords, later], dim=2),
        )


def chunk_mask(
    layout: Layout, chunk: int, actions: int, window: int | None = None, beside: bool = False
) -> Tensor:
    """Boolean [M, M], True where the row's token sees the column's; M = N + A.

    A token sees its own chunk and earlier ones.

    Args:
        layout: of the N video tokens.
        chunk: future latents of a chunk.
        actions: A, those of the future or 0.
        window: of earlier chunks, only latents are seen that are among so many up to the end of
            the token's own chunk; None = all.
        beside: there is a `CleanFuture` too. Tokens are then the video's, the clean video's, the
            actions', the clean actions', M = N + N_f + 2 A; earlier chunks are seen clean alone.
    """
    grid, device = layout.grid, layout.coords.device
    every = torch.arange(grid.frames, device=device)
    later, alone = every[grid.history :], not beside
    # latent frames, tokens of each, and whether they are what later chunks see of the future
    parts = [(every, grid.cells, alone), *([(later, grid.cells, True)] if beside else [])]
    if actions:
        parts += [(later, 1, alone), *([(later, 1, True)] if beside else [])]
    frame = torch.cat([frames.repeat_interleave(count) for frames, count, _ in parts])
    kept = [((frames < grid.history) | past).repeat_interleave(n) for frames, n, past in parts]
    seen = torch.cat(kept)
    number = torch.where(frame < grid.history, 0, (frame - grid.history) // chunk + 1)
    own = (number[:, None] == number[None, :]) & (seen[:, None] == seen[None, :])
    earlier = (number[:, None] > number[None, :]) & seen[None, :]
    if window is not None:
        end = (grid.history + number * chunk).clamp(max=grid.frames)
        earlier &= frame[None, :] >= end[:, None] - window
    return own | earlier
