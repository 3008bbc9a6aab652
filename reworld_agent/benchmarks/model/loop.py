"""How DriveLaW's code denoises a plan: keys and values anew at every step.

Its transformer keeps the video states of the first step, and its Action DiT projects them again in
each (`video_states_buffer`); the plan is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reworld_agent.config import PlannerConfig
from reworld_agent.config.sigmas import SCHEDULES
from reworld_agent.planner.heads import PlannerHead


@torch.no_grad()
def plan_by_fresh_memories(
    head: PlannerHead, states: Sequence[Tensor], ego: Tensor, noise: Tensor, config: PlannerConfig
) -> Tensor:
    """What `sample_plan` gives, [B, L, 3], at the cost of a memory a step."""
    levels = SCHEDULES[config.sigmas](config.steps)
    actions = noise
    for level, following in zip(levels, [*levels[1:], 0.0], strict=True):
        t = torch.full((len(actions),), level, device=actions.device)
        velocity = head(actions.to(head.dtype), t, ego, head.cache(states)).velocity
        actions = actions + (following - level) * velocity.to(actions)
    return actions
