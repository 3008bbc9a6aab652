"""A residual network with a velocity head in its middle, trained as the Video DiT is.

Shapes: B samples, C values of one, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from reworld_agent.benchmarks.toys.distributions import Toy
from reworld_agent.objectives.flow import interpolate, velocity_target
from reworld_agent.video.sampler import guided_velocity, sample_video

FREQUENCIES = 16
BATCH = 1024


def _block(width: int) -> nn.Sequential:
    wide = 2 * width
    layers = (nn.Linear(width, wide), nn.SiLU(), nn.Linear(wide, width))
    return nn.Sequential(nn.LayerNorm(width), *layers)


class ToyNetwork(nn.Module):
    """Residual blocks over a point and its time, with heads after a third and at the end.

    Args:
        size: C.
        width: D.
        blocks: how many; the first head follows block `blocks // 3`.
    """

    def __init__(self, size: int, width: int, blocks: int) -> None:
        super().__init__()
        self.middle = blocks // 3
        self.take = nn.Linear(size + 2 * FREQUENCIES, width)
        self.blocks = nn.ModuleList(_block(width) for _ in range(blocks))
        self.heads = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, size)) for _ in range(2)
        )

    def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Velocities [B, C] of both heads, the middle's first, for x [B, C] at t [B]."""
        scales = torch.arange(FREQUENCIES, device=x.device) * math.pi
        angles = t[:, None] * scales
        h = self.take(torch.cat([x, angles.sin(), angles.cos()], dim=1))
        middle = h
        for number, block in enumerate(self.blocks, 1):
            h = h + block(h)
            middle = h if number == self.middle else middle
        return self.heads[0](middle), self.heads[1](h)


def train(network: ToyNetwork, toy: Toy, steps: int, weight: float, seed: int) -> None:
    """L_Gen + weight · L_Mid (Eqs. 5 and 6) at uniform times, Adam with a cosine, in place."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        clean = toy.sample(BATCH, generator)
        noise = torch.randn(clean.shape, generator=generator)
        t = torch.rand(BATCH, generator=generator)
        target = velocity_target(clean, noise)
        middle, final = network(interpolate(clean, noise, t), t)
        loss = (final - target).square().mean() + weight * (middle - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def draw(network: ToyNetwork, noise: Tensor, gamma: float, steps: int) -> Tensor:
    """Samples [S, C] of noise [S, C] by the sampler of the Video DiT, a sample being one token."""

    def velocity(latents: Tensor, times: Tensor) -> Tensor:
        """Self-guided (Eq. 9)."""
        middle, final = network(latents[:, 0], times[:, 0])
        return guided_velocity(middle, final, gamma)[:, None]

    start = noise[:, None]
    future = torch.ones(1, dtype=torch.bool)
    return sample_video(velocity, torch.zeros_like(start), future, start, steps, "uniform")[:, 0]
