"""Auxiliary velocity heads after intermediate blocks (paper Eq. 6).

Shapes: B batch, N video tokens, D width, C latent channels, T times of a sample: one for each of
T runs of N / T tokens (see `modulated`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

TIMESTEPS = 1000  # of what pretrained backbones call a timestep: t = 1


def per_run(x: Tensor, factor: Tensor) -> Tensor:
    """[B, N, D] times a factor [B or 1, T, D] of each run of N / T tokens.

    The factor of tokens that share a time is never written out for each of them: at the paper's
    size that would be 0.3 GB a block.
    """
    return (x.unflatten(1, (factor.size(1), -1)) * factor[:, :, None]).flatten(1, 2)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Tokens x [B, N, D] to x (1 + scale) + shift, with those [B or 1, T, D] of T runs."""
    runs = x.unflatten(1, (scale.size(1), -1))
    return (runs * (1 + scale)[:, :, None] + shift[:, :, None]).flatten(1, 2)


class TableHead(nn.Module):
    """A copy of LTX's output layer: norm, 2xD table plus the shared time embedding, linear.

    Its linear layer starts at zero, as that of Internal Guidance does (arXiv 2512.24176), so that
    the blocks below are not bent at first to what random weights read from them; fine-tuning
    starts it as a copy of the trained output layer. Costs 266,368 parameters at D = 2048, C = 128.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.scale_shift_table = nn.Parameter(torch.randn(2, width) / width**0.5)
        self.proj = nn.Linear(width, channels)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.proj.bias)

    def forward(self, states: Tensor, embedded_time: Tensor) -> Tensor:
        """Velocity [B, N, C] of block states [B, N, D]; embedded_time [B or 1, T, D]."""
        table = self.scale_shift_table[None, None] + embedded_time[:, :, None]
        shift, scale = table.unbind(dim=2)
        return self.proj(modulated(self.norm(states), shift, scale))


class AdaLNHead(nn.Module):
    """The head of Internal Guidance (arXiv 2512.24176): an AdaLN of its own, all zero at start."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        modulation = nn.Linear(width, 2 * width)
        self.modulation = nn.Sequential(nn.SiLU(), modulation)
        self.proj = nn.Linear(width, channels)
        for layer in (modulation, self.proj):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, states: Tensor, embedded_time: Tensor) -> Tensor:
        """Velocity [B, N, C] of block states [B, N, D]; embedded_time [B or 1, T, D]."""
        shift, scale = self.modulation(embedded_time).chunk(2, dim=-1)
        return self.proj(modulated(self.norm(states), shift, scale))


HEADS = {"table": TableHead, "ig": AdaLNHead}
