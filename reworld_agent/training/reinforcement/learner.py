"""How a planner follows its rewards: plans are drawn, scored, and what was better gets likelier.

Plans are drawn from the planner as it is and learned from once.
Shapes: B scenes, N plans per scene, L waypoints, S steps of the sampler with noise.
"""

from __future__ import annotations

import copy
import logging
import time
from collections import Counter
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.flow import interpolate, velocity_target
from reworld_agent.objectives.policy import (
    baseline_advantages,
    gaussian_kl,
    group_advantages,
    mean_of_valid,
    policy_gradient_loss,
    preference_loss,
)
from reworld_agent.objectives.sharded_rng import ShardedRng
from reworld_agent.planner.heads import Memory, OwnLoss, OwnSampling, PlannerHead
from reworld_agent.planner.sampler import sample_plan, scene_noise
from reworld_agent.planner.stochastic import Exploration, StochasticSampler
from reworld_agent.training.losses import Logs, NotFiniteError, PolicyBatch
from reworld_agent.training.policy_settings import (
    DPO,
    GRPO,
    PLANNING,
    REINFORCE,
    REJECTION,
    PolicySettings,
)
from reworld_agent.training.reinforcement.rewards import PlanReward
from reworld_agent.training.stages import TrainingStage

logger = logging.getLogger(__name__)

_SMALL_GAP = "rewards equal or within the margin"
_FLAT = {
    GRPO: "equal rewards",
    REINFORCE: "rewards equal to that of the plan that would be driven",
    REJECTION: _SMALL_GAP,
    DPO: _SMALL_GAP,
}  # why a scene taught nothing


@dataclass(frozen=True)
class Drawn:
    """Plans of a batch and what they are worth.

    Attributes:
        chain: [steps + 1, B N, L, 3], see `StochasticSampler.sample`.
        rewards: [B, N]; NaN where a plan has none.
        driven: [B], of the plan that would be driven.
    """

    chain: Tensor
    rewards: Tensor
    driven: Tensor

    @property
    def plans(self) -> Tensor:
        """Normalised, [B, N, L, 3]."""
        return self.chain[-1].unflatten(0, tuple(self.rewards.shape))


class PolicyLearner:
    """The term `policy` of Stage 4.

    Args:
        stage: with its policy.
        reward: of plans; None where none are drawn.
        model: as the stage starts: its planner head is kept beside the one that learns.

    Attributes:
        counted: over all batches of this process: `scenes`, `flat` (of them those that taught
            nothing, see `summary`), `plans`, `unscored` (of them those without a reward),
            `still_steps` (optimiser steps that moved nothing).
        scoring_s: seconds in which rewards were waited for.
        informed: whether any batch of the optimiser step told better from worse, in any process.

    Raises:
        ConfigError: the planner head gives no velocities, or no step of it has noise.
    """

    def __init__(
        self, stage: TrainingStage, reward: PlanReward | None, model: ReWorldModel
    ) -> None:
        assert stage.policy is not None
        self.stage, self.policy, self.reward = stage, stage.policy, reward
        self.counted: Counter[str] = Counter()
        self.informed = False
        self.scoring_s = 0.0
        self._begun: float | None = None  # when the first batch came
        head, planner = model.action_dit, model.config.planner
        if isinstance(head, OwnSampling | OwnLoss):
            message = f"planner.head={planner.head} has a sampling or a loss of its own"
            raise ConfigError(message, f"stage {stage.name} needs a head that learns velocities")
        self.sampler = StochasticSampler(planner, _exploration(self.policy))
        if self.policy.draws and not self.sampler.noisy:
            message = f"policy.quiet_steps={self.policy.quiet_steps} of {planner.steps} steps"
            raise ConfigError(message, "leave at least one step with noise")
        self._start = _frozen(head) if self.policy.keeps_start else None

    @property
    def anchored(self) -> bool:
        """Whether something beside rewards moves the planner: imitation, or the pull of the KL."""
        return self.stage.learns_velocity or self.policy.kl > 0

    def loss(self, model: ReWorldModel, batch: PolicyBatch, rng: ShardedRng) -> tuple[Tensor, Logs]:
        """See `training.losses.PolicyLoss`.

        Raises:
            NotFiniteError: the KL divergence from the start is above `policy.kl_limit`.
            DataError: a scene has no cache.
        """
        self._begun = self._begun or time.perf_counter()
        if not self.policy.draws:
            return self._pool_pairs(model, batch, rng)
        drawn = self._draw(model, batch, rng)
        known = drawn.rewards.isfinite()
        self.counted.update(scenes=len(known), plans=known.numel(), unscored=int((~known).sum()))
        best = drawn.rewards.nan_to_num(-torch.inf).amax(dim=1)
        logs = {
            "reward": drawn.rewards.nanmean(),
            "reward_driven": drawn.driven.nanmean(),
            "reward_best": best.where(best.isfinite(), torch.nan).nanmean(),
            "unscored": (~known).double().mean(),
        }
        if self.policy.kind in (DPO, REJECTION):
            loss, more = self._from_best(model, batch, drawn, rng)
        else:
            loss, more = self._policy_gradient(model, batch, drawn, rng)
        found = {name: value.float().to(loss.device) for name, value in (logs | more).items()}
        return loss, found

    def before_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the gradients away where nothing was learned: momentum would move the weights on."""
        if not (self.informed or self.anchored):
            self.counted.update(still_steps=1)
            optimizer.zero_grad(set_to_none=True)
        self.informed = False

    # --- drawing --------------------------------------------------------------------------------

    @torch.no_grad()
    def _draw(self, model: ReWorldModel, batch: PolicyBatch, rng: ShardedRng) -> Drawn:
        head, planner, policy = model.action_dit, model.config.planner, self.policy
        like = model.normaliser.centre
        shape = (len(batch.ego), policy.samples, planner.horizon, 3)
        usual = planner.noise_scale * scene_noise(shape[2:], shape[0], planner.seed, like)
        if policy.start == PLANNING:
            noise = usual[:, None].expand(shape)
        else:
            noise = rng.normal(shape, like)
        driven = sample_plan(head, batch.memory, batch.ego, usual, planner)
        chain = self.sampler.sample(head, batch.memory, batch.ego, noise, rng.normal)
        plans = torch.cat([driven[:, None], chain[-1].unflatten(0, shape[:2])], dim=1)
        poses = model.normaliser.denormalise(plans, clamp=True).float()
        assert self.reward is not None
        asked = time.perf_counter()
        rewards = self.reward(batch.tokens, poses).to(like.device)
        self.scoring_s += time.perf_counter() - asked
        return Drawn(chain, rewards[:, 1:], rewards[:, 0])

    # --- learning -------------------------------------------------------------------------------

    def _policy_gradient(
        self, model: ReWorldModel, batch: PolicyBatch, drawn: Drawn, rng: ShardedRng
    ) -> tuple[Tensor, Logs]:
        policy = self.policy
        if policy.kind == GRPO:
            advantages = group_advantages(drawn.rewards, policy.normalise)
        else:
            advantages = baseline_advantages(drawn.rewards, drawn.driven)
        flat = self._flat(advantages.flat)
        # what has no reward, such as a plan that is not finite, must not reach the gradient
        known = drawn.rewards.isfinite().flatten()[:, None, None]
        chain = drawn.chain.where(known, torch.zeros_like(drawn.chain))
        found = self.sampler.transitions(model.action_dit, batch.memory, batch.ego, chain)
        size = chain[0, 0].numel()
        count = rng.total(advantages.counts.sum().float())
        loss = policy_gradient_loss(found.log_probability, advantages, size, policy.discount, count)
        logs = {"flat": flat, "advantage": advantages.values.abs().mean()}
        if self._start is not None:
            start = self._start_head(model)
            with torch.no_grad():
                memory = start.cache(batch.states)
                before = self.sampler.transitions(start, memory, batch.ego, chain)
            each = gaussian_kl(found.whitened, before.whitened)
            kl = each.where(known.flatten(), torch.zeros_like(each)).mean()
            logs["kl"] = kl.detach()
            self._watch_kl(logs["kl"], batch)
            if policy.kl > 0:
                loss = loss + policy.kl * kl / (len(self.sampler.noisy) * size)
        return loss, logs

    def _from_best(
        self, model: ReWorldModel, batch: PolicyBatch, drawn: Drawn, rng: ShardedRng
    ) -> tuple[Tensor, Logs]:
        """Imitation of the best plan of a scene, or its preference to the worst."""
        ranked = drawn.rewards
        best = ranked.nan_to_num(-torch.inf).argmax(dim=1)
        worst = ranked.nan_to_num(torch.inf).argmin(dim=1)
        rows = torch.arange(len(ranked), device=ranked.device)
        gap = ranked[rows, best] - ranked[rows, worst]
        valid = (gap > 0) & (gap >= self.policy.margin)  # NaN of a scene without rewards is neither
        flat = self._flat(~valid)
        plans = drawn.plans
        better, worse = plans[rows, best], plans[rows, worst]
        if self.policy.kind == DPO:
            count = valid.sum().float()
            loss, logs = self._preference(model, batch, better, worse, valid, count, rng)
        else:
            loss, logs = self._imitation(model, batch, better, valid, rng), {}
        return loss, {"flat": flat, "gap": gap.where(valid, 0.0).mean(), **logs}

    def _pool_pairs(
        self, model: ReWorldModel, batch: PolicyBatch, rng: ShardedRng
    ) -> tuple[Tensor, Logs]:
        """The log is preferred to the hard negative of the pool."""
        targets = batch.targets
        if "hard_negative" not in targets:
            raise DataError("the batch has no hard negatives", "name a pool: hard_negatives.pool=")
        device = batch.ego.device
        valid = targets["hard_negative_valid"].to(device)
        better, worse = (
            model.normaliser.normalise(targets[name].to(device).float())
            for name in ("trajectory", "hard_negative")
        )
        self.counted.update(scenes=len(valid))
        flat = self._flat(~valid)
        count = targets.get("hard_negative_count", valid.sum().float()).to(device)
        loss, logs = self._preference(model, batch, better, worse, valid, count, rng)
        return loss, {"flat": flat, "negatives": valid.float().mean(), **logs}

    def _preference(
        self,
        model: ReWorldModel,
        batch: PolicyBatch,
        better: Tensor,
        worse: Tensor,
        valid: Tensor,
        count: Tensor,
        rng: ShardedRng,
    ) -> tuple[Tensor, Logs]:
        """DPO on pairs [B, L, 3], `noise_draws` times each; one time and one noise a pair.

        Their sum is divided by `count`, see `stage_loss` of `hard_negative_count`.
        """
        draws = self.stage.noise_draws
        start = self._start_head(model)
        t, noise = self._times(better, draws, rng)
        pair = torch.stack([better, worse], dim=1).repeat_interleave(draws, dim=1)  # [B, 2 K, L, 3]
        pair = pair.where(valid[:, None, None, None], torch.zeros_like(pair))
        times, noises = t.repeat(1, 2), noise.repeat(1, 2, 1, 1)
        errors = _errors(model.action_dit, batch, batch.memory, pair, times, noises)
        with torch.no_grad():
            memory = start.cache(batch.states)
            before = _errors(start, batch, memory, pair, times, noises)
        (ours_w, ours_l), (first_w, first_l) = errors.chunk(2, dim=1), before.chunk(2, dim=1)
        each = preference_loss(ours_w, ours_l, first_w, first_l, self.policy.beta).mean(dim=1)
        count = rng.total(count)
        right = ((ours_w - first_w) < (ours_l - first_l)).float().mean(dim=1)
        logs = {"preferred": mean_of_valid(right, valid, count)}
        return mean_of_valid(each, valid, count), logs

    def _imitation(
        self,
        model: ReWorldModel,
        batch: PolicyBatch,
        plans: Tensor,
        valid: Tensor,
        rng: ShardedRng,
    ) -> Tensor:
        """L_FM of plans [B, L, 3] in the place of the log."""
        t, noise = self._times(plans, self.stage.noise_draws, rng)
        clean = plans[:, None].expand_as(noise)
        clean = clean.where(valid[:, None, None, None], torch.zeros_like(clean))
        each = _errors(model.action_dit, batch, batch.memory, clean, t, noise).mean(dim=1)
        return mean_of_valid(each, valid, rng.total(valid.sum().float()))

    def _times(self, plans: Tensor, draws: int, rng: ShardedRng) -> tuple[Tensor, Tensor]:
        """Times [B, K] and noise [B, K, L, 3]."""
        scenes, horizon = plans.shape[:2]
        t = rng.times((scenes, draws), self.stage.action_distribution, plans, horizon)
        return t, rng.normal((scenes, draws, *plans.shape[1:]), plans)

    # --- what all processes agree on ------------------------------------------------------------

    def _flat(self, flat: Tensor) -> Tensor:
        """The share of flat scenes; counts them, and notes whether any process has another."""
        self.counted.update(flat=int(flat.sum()))
        informed = (~flat).any().float()
        if _several():
            torch.distributed.all_reduce(informed, torch.distributed.ReduceOp.MAX)
        self.informed = self.informed or bool(informed)
        return flat.float().mean()

    def _watch_kl(self, kl: Tensor, batch: PolicyBatch) -> None:
        """Raise NotFiniteError in every process where one is beyond the limit."""
        limit = self.policy.kl_limit
        if limit is None:
            return
        worst = kl.detach().clone()
        if _several():
            torch.distributed.all_reduce(worst, torch.distributed.ReduceOp.MAX)
        if not worst <= limit:  # nor NaN
            raise NotFiniteError(
                f"the planner has left its start: KL {float(worst):.4g} nats a plan, above "
                f"policy.kl_limit={limit:g}; the batch's scenes: {', '.join(batch.tokens)}",
                "lower the learning rate or raise policy.kl; the last checkpoint is kept",
            )

    def close(self) -> None:
        """Say what was counted, and end the processes that score."""
        logger.info("%s", self.summary())
        if self.reward is not None:
            self.reward.close()

    def summary(self) -> str:
        """What was counted, as a sentence."""
        counted = self.counted
        why = _FLAT[self.policy.kind] if self.policy.draws else "no hard negative"
        text = f"{counted['flat']} of {counted['scenes']} scenes taught nothing ({why})"
        if counted["still_steps"]:
            text += f", {counted['still_steps']} steps moved no weight"
        if self.policy.draws and self._begun is not None:
            share = self.scoring_s / (time.perf_counter() - self._begun)
            text += f", {counted['unscored']} of {counted['plans']} plans had no reward; "
            text += f"rewards took {self.scoring_s:.1f} s, {share:.1%} of the time"
        return text

    def _start_head(self, model: ReWorldModel) -> PlannerHead:
        """The head that the stage started from, where the model is now."""
        assert self._start is not None
        cast(nn.Module, self._start).to(model.device)
        return self._start


def _several() -> bool:
    return torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1


def _exploration(policy: PolicySettings) -> Exploration:
    return Exploration(policy.noise_schedule, policy.noise, policy.correlation, policy.quiet_steps)


def _frozen(head: PlannerHead) -> PlannerHead:
    """A copy that does not learn; kept outside of the model: it is in no checkpoint."""
    kept = copy.deepcopy(cast(nn.Module, head))
    return cast(PlannerHead, kept.requires_grad_(False).eval())


def _errors(
    head: PlannerHead,
    batch: PolicyBatch,
    memory: Memory,
    plans: Tensor,
    t: Tensor,
    noise: Tensor,
) -> Tensor:
    """Mean squared errors [B, K] of the velocity of plans [B, K, L, 3] at times [B, K]."""
    clean, drawn, times = plans.flatten(0, 1), noise.flatten(0, 1), t.flatten()
    noisy = interpolate(clean, drawn, times).to(head.dtype)
    away = head(noisy, times, batch.ego, memory).velocity - velocity_target(clean, drawn)
    return away.square().mean(dim=(1, 2)).view_as(t)
