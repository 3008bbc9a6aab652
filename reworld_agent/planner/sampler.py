"""From noise to a plan: Euler steps of the planner head, its memory of the states computed once.

Shapes: B scenes, L waypoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reworld_agent.config import PlannerConfig
from reworld_agent.config.sigmas import SCHEDULES
from reworld_agent.planner.heads import Memory, OwnSampling, PlannerHead


def scene_noise(shape: Sequence[int], batch: int, seed: int, like: Tensor) -> Tensor:
    """The same seeded noise [B, *shape] for every scene: a plan never depends on its batch.

    Drawn on the CPU in float32, so that it does not depend on the device either.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(*shape, generator=generator)
    return noise.to(like.device, like.dtype).expand(batch, *shape)


@torch.no_grad()
def sample_plan(
    head: PlannerHead,
    memory: Memory,
    ego: Tensor,
    noise: Tensor,
    config: PlannerConfig,
) -> Tensor:
    """Normalised waypoints [B K, L, 3] from noise of the same shape; ego is [B, 8].

    A head with a sampling of its own gives them itself. The steps are summed in the dtype of the
    noise (float32: the first ones are small), the network runs in its own.
    """
    if isinstance(head, OwnSampling):
        return head.sample(noise.to(head.dtype), ego, memory, steps=config.steps).to(noise)
    levels = SCHEDULES[config.sigmas](config.steps)
    actions = noise
    for level, following in zip(levels, [*levels[1:], 0.0], strict=True):
        t = torch.full((len(actions),), level, device=actions.device)
        velocity = head(actions.to(head.dtype), t, ego, memory).velocity
        actions = actions + (following - level) * velocity.to(actions)
    return actions
