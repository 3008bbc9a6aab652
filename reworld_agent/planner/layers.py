"""Parts of the Action DiT: attention with keys and values kept apart, SwiGLU, rotary positions.

Shapes: B batch, L waypoints, D width, N video tokens, V video width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KeyValue = tuple[Tensor, Tensor]


def constant(values: Sequence[float], like: Tensor) -> Tensor:
    """Numbers on the device and in the dtype of `like`; the device is not waited for."""
    numbers = torch.tensor(values, dtype=like.dtype, pin_memory=like.is_cuda)
    return numbers.to(like.device, non_blocking=True)


def rotary_table(horizon: int, width: int, device: torch.device | None = None) -> Tensor:
    """Angles [L, D / 2] of the rotary embedding over the waypoint index, float32.

    angle = 10000^u * pi/2 * (2 pos/L - 1), u in D/2 equal steps of [0, 1] (DriveLaW-Act).
    """
    exponent = torch.linspace(0, 1, width // 2, dtype=torch.float32, device=device)
    position = torch.arange(horizon, dtype=torch.float32, device=device) * 2 / horizon - 1
    return position[:, None] * (10000.0**exponent * math.pi / 2)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn interleaved pairs of [B, L, D] by angles [L, D / 2], in float32."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten(-2).to(x)


class Attention(nn.Module):
    """Multi-head attention; queries and keys are RMS-normalised across all heads.

    Args:
        width: D, of queries and output.
        heads: number of heads.
        source_width: width of what is attended to.
    """

    def __init__(self, width: int, heads: int, source_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_q = nn.RMSNorm(width, eps=1e-5)
        self.norm_k = nn.RMSNorm(width, eps=1e-5)
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(source_width, width)
        self.to_v = nn.Linear(source_width, width)
        self.to_out = nn.Linear(width, width)

    def key_value(self, source: Tensor, angles: Tensor | None = None) -> KeyValue:
        """Keys and values [B, heads, N, D / heads] of [B, N, source width]."""
        key = self.norm_k(self.to_k(source))
        key = key if angles is None else rotate(key, angles)
        return self._split(key), self._split(self.to_v(source))

    def query(self, x: Tensor, angles: Tensor | None = None) -> Tensor:
        """Queries [B, heads, L, D / heads] of [B, L, D]."""
        query = self.norm_q(self.to_q(x))
        return self._split(query if angles is None else rotate(query, angles))

    def forward(self, x: Tensor, memory: KeyValue, angles: Tensor | None = None) -> Tensor:
        """The readout [B, L, D], after the output projection."""
        value = memory[1]
        if value.size(2) == 1:  # nothing to choose from: no question changes the answer
            return self.to_out(value.transpose(1, 2).flatten(2)).expand_as(x)
        mixed = F.scaled_dot_product_attention(self.query(x, angles), *memory)
        return self.to_out(mixed.transpose(1, 2).flatten(2))

    def head_mean(self, x: Tensor, source: Tensor) -> Tensor:
        """Attention weights [B, L, N] of x [B, L, D] over source, the mean over the heads."""
        query, (key, _) = self.query(x), self.key_value(source)
        scores = query @ key.transpose(-2, -1) / query.size(-1) ** 0.5
        return scores.softmax(dim=-1).mean(dim=1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class SwiGLU(nn.Module):
    """One linear map split in gate and value, SiLU on the gate, one linear map back."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj_in = nn.Linear(width, 2 * hidden)
        self.proj_out = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, D] to [B, L, D]."""
        gate, value = self.proj_in(x).chunk(2, dim=-1)
        return self.proj_out(F.silu(gate) * value)


class ReadoutProjector(nn.Module):
    """What a waypoint attends to, from raw video states to its own width (authors' release)."""

    def __init__(self, video_width: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(video_width)
        self.proj = nn.Linear(video_width, width, bias=False)

    def forward(self, weights: Tensor, states: Tensor) -> Tensor:
        """[B, L, D] of attention weights [B, L, N] and video states [B, N, V]."""
        return self.proj(self.norm(weights @ states))


class EgoEmbedding(nn.Module):
    """Ego state to the 6 D modulation shared by all waypoints (FiLM), added to the time vector."""

    def __init__(self, scale: tuple[float, ...], hidden: int, width: int) -> None:
        super().__init__()
        self.scale = scale
        self.embed = nn.Sequential(
            nn.Linear(len(scale), hidden), nn.GELU(), nn.LayerNorm(hidden), nn.Linear(hidden, width)
        )
        self.film = nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, 6 * width))

    def forward(self, ego: Tensor) -> Tensor:
        """[B, 8] (vx, vy m/s, ax, ay m/s², command one-hot) to [B, 6 D]."""
        return self.film(self.embed(ego * constant(self.scale, ego)))
