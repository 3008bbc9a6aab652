"""Ego state and command as tokens beside the text: s and g of the video condition (paper Eq. 2).

Shapes: B batch, M text tokens, C caption channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reworld_agent.core.errors import DataError

KINEMATICS = 4  # vx, vy (m/s), ax, ay (m/s²); the command's one-hot follows


class ContextTokens(nn.Module):
    """Two learned tokens at the width of text embeddings: kinematics, and command."""

    def __init__(self, caption_channels: int) -> None:
        super().__init__()
        self.kinematics = nn.Linear(KINEMATICS, caption_channels)
        self.command = nn.Linear(4, caption_channels)

    def forward(self, ego: Tensor) -> Tensor:
        """[B, 8] to [B, 2, C]."""
        ego = ego.to(self.command.weight)
        tokens = (self.kinematics(ego[:, :KINEMATICS]), self.command(ego[:, KINEMATICS:]))
        return torch.stack(tokens, dim=1)

    def append(
        self, text: Tensor, mask: Tensor | None, ego: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Text [B, M, C] and its mask [B, M], both longer by the two tokens.

        Raises:
            DataError: no ego state is given.
        """
        if ego is None:
            raise DataError(
                "the model has context tokens, but no ego state was given",
                "hand the features, with `ego` [B, 8], to whatever runs the Video DiT",
            )
        tokens = self(ego)
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(tokens.shape[:2])], dim=1)
        return torch.cat([text, tokens.to(text)], dim=1), mask
