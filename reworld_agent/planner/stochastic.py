"""Euler-Maruyama steps of a planner head: plans that differ, with their log-probability.

The flow's ODE dx = v dt, t from 1 (noise) to 0, has the marginals of the SDE

    dx = [v + σ² / (2 t) C e] dt + σ C^½ dw,   e = x + (1 - t) v, the noise that v implies,

for any σ(t) and any covariance C of the noise: the score of x is -e / t. C = 1 is Flow-GRPO's
(arXiv 2505.05470, Eq. 8, 9; σ = a sqrt(t / (1 - t))) and DanceGRPO's (2505.07818; σ constant). Here
C may join neighbouring waypoints, since noise that is not joined makes plans that no car drives.
Shapes: B scenes, K plans per scene, L waypoints, S steps with noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from reworld_agent.config import PlannerConfig
from reworld_agent.config.sigmas import FLOW_GRPO, SCHEDULES
from reworld_agent.planner.heads import Memory, PlannerHead

Draw = Callable[[Sequence[int], Tensor], Tensor]  # standard normal numbers of a shape, like another


@dataclass(frozen=True)
class Exploration:
    """How plans are made to differ.

    Attributes:
        schedule: σ(t), one of `config.sigmas.NOISE_SCHEDULES`.
        noise: a of `flow_grpo`, σ of `dance_grpo`; 0 = the ODE.
        correlation: of the noise of two waypoints i, j: exp(-|i - j| / correlation); 0 = none.
        quiet_steps: the last steps, which add no noise: the head smooths what came before.
    """

    schedule: str = FLOW_GRPO
    noise: float = 0.7
    correlation: float = 0.0
    quiet_steps: int = 0


@dataclass(frozen=True)
class EulerStep:
    """One step from time `t` to `following`, with the noise `sigma` of its SDE."""

    t: float
    following: float
    sigma: float

    @property
    def deviation(self) -> float:
        """Standard deviation of what it adds to a waypoint."""
        return self.sigma * math.sqrt(self.t - self.following)


@dataclass(frozen=True)
class Transitions:
    """The noisy steps of plans as a policy sees them.

    Attributes:
        whitened: noise [S, B K, L, 3] that leads from each step's mean to where the chain went.
        log_probability: of these steps, [S, B K]; summed over waypoints and channels.
    """

    whitened: Tensor
    log_probability: Tensor


class StochasticSampler:
    """Steps of a planner head as a Gaussian policy.

    Args:
        config: of the planner: the same steps and noise levels as when planning.
        exploration: what is added to them.
    """

    def __init__(self, config: PlannerConfig, exploration: Exploration) -> None:
        self.steps = euler_steps(config, exploration)
        self.noisy = [number for number, step in enumerate(self.steps) if step.sigma > 0]
        places = torch.arange(config.horizon, dtype=torch.float64)
        joined = torch.eye(config.horizon, dtype=torch.float64)
        if exploration.correlation > 0:
            joined = (-(places[:, None] - places).abs() / exploration.correlation).exp()
        self.covariance, self.factor = joined, torch.linalg.cholesky(joined)

    def mean(self, step: EulerStep, actions: Tensor, velocity: Tensor) -> Tensor:
        """Where a step leads before its noise, [B K, L, 3]."""
        drift = velocity
        if step.sigma > 0:
            implied = actions + (1 - step.t) * velocity
            drift = velocity + step.sigma**2 / (2 * step.t) * (self._like(actions)[0] @ implied)
        return actions + (step.following - step.t) * drift

    @torch.no_grad()
    def sample(
        self, head: PlannerHead, memory: Memory, ego: Tensor, noise: Tensor, draw: Draw
    ) -> Tensor:
        """The chain of normalised waypoints [steps + 1, B K, L, 3], from the noise to the plans.

        Args:
            head, memory, ego: see `sample_plan`; ego is [B, 8].
            noise: where the chains start, [B, K, L, 3].
            draw: of the steps' noise, [B, K, L, 3] at a time.
        """
        actions = noise.flatten(0, 1)
        chain = [actions]
        factor = self._like(actions)[1]
        for step in self.steps:
            t = torch.full((len(actions),), step.t, device=actions.device)
            velocity = head(actions.to(head.dtype), t, ego, memory).velocity.to(actions)
            actions = self.mean(step, actions, velocity)
            if step.sigma > 0:
                actions = actions + step.deviation * (
                    factor @ draw(noise.shape, noise).flatten(0, 1)
                )
            chain.append(actions)
        return torch.stack(chain)

    def transitions(
        self, head: PlannerHead, memory: Memory, ego: Tensor, chain: Tensor
    ) -> Transitions:
        """The noisy steps of a chain under a head, with the head's graph: one forward for all."""
        scenes, count = len(ego), len(self.noisy)
        before = chain[self.noisy]
        plans = before.size(1) // scenes
        side_by_side = before.unflatten(1, (scenes, plans)).transpose(0, 1).flatten(0, 2)
        times = torch.tensor([self.steps[n].t for n in self.noisy], device=chain.device)
        t = times.to(chain).repeat_interleave(plans).repeat(scenes)
        found = head(side_by_side.to(head.dtype), t, ego, memory).velocity.to(chain)
        velocity = found.unflatten(0, (scenes, count, plans)).transpose(0, 1).flatten(1, 2)
        factor = self._like(chain)[1]
        whitened, constants = [], []
        for place, number in enumerate(self.noisy):
            step = self.steps[number]
            away = chain[number + 1] - self.mean(step, chain[number], velocity[place])
            whitened.append(
                torch.linalg.solve_triangular(factor, away / step.deviation, upper=False)
            )
            constants.append(self._log_constant(step))
        stacked = torch.stack(whitened)
        constant = torch.tensor(constants, device=chain.device, dtype=chain.dtype)
        return Transitions(stacked, constant[:, None] - stacked.square().sum(dim=(2, 3)) / 2)

    def _log_constant(self, step: EulerStep) -> float:
        """Log of the density of a step at its mean."""
        waypoints, channels = len(self.factor), 3
        volume = channels * float(self.factor.diagonal().log().sum())
        each = math.log(step.deviation * math.sqrt(2 * math.pi))
        return -waypoints * channels * each - volume

    def _like(self, other: Tensor) -> tuple[Tensor, Tensor]:
        """Covariance and factor on the device and in the dtype of another."""
        return self.covariance.to(other), self.factor.to(other)


def euler_steps(config: PlannerConfig, exploration: Exploration) -> list[EulerStep]:
    """The steps of planning, with the noise of each.

    At t = 1, where Flow-GRPO's σ has no end, its code takes 1 - t of the step after it.
    """
    levels = [*SCHEDULES[config.sigmas](config.steps), 0.0]
    count = len(levels) - 1
    steps = []
    for number, (t, following) in enumerate(pairwise(levels)):
        rest = 1 - t if t < 1 else 1 - following
        wide = math.sqrt(t / rest) if exploration.schedule == FLOW_GRPO else 1.0
        quiet = number >= count - exploration.quiet_steps
        steps.append(EulerStep(t, following, 0.0 if quiet else exploration.noise * wide))
    return steps
