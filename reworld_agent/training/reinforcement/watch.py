"""Looks at held-out plans at each validation: scores, motion, diversity, and the alarm."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent.core.vocabulary import PROTOCOL_NAMES
from reworld_agent.model import ReWorldModel
from reworld_agent.pdm.metrics.definition.protocol import SCORE
from reworld_agent.planner.sampler import sample_plan
from reworld_agent.training.losses import scene_names
from reworld_agent.training.reinforcement.alarm import (
    DIVERSITY,
    REWARD,
    Measured,
    reasons,
)
from reworld_agent.training.reinforcement.envelope import Envelope
from reworld_agent.training.reinforcement.learner import PolicyLearner
from reworld_agent.training.reinforcement.rewards import PlanReward

logger = logging.getLogger(__name__)

MONITOR = "reward_hacking"
_DRAWS = 4  # plans from different noise, whose spread is the diversity
_SEED = 1


class FollowPolicy(Callback):
    """What a trainer does not do for a policy by itself: steps that taught nothing, and the end.

    Args:
        learner: whose term the trained loss has.
    """

    def __init__(self, learner: PolicyLearner) -> None:
        super().__init__()
        self.learner = learner

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Lightning's hook."""
        self.learner.before_step(optimizer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        self.learner.close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Lightning's hook."""
        self.learner.close()


class RewardWatch(Callback):
    """Measures held-out plans before training and at each validation, and tells of hacking.

    Logged as `val/…`: the reward that is trained, each metric of both protocols, the shares of
    plans outside of the range in which people drive (`outside_…`), `diversity_m`, and
    `reward_hacking`, the number of reasons for alarm.

    Args:
        model: that is trained.
        reward: that is trained, with the scenes that are held out; scores both protocols.
    """

    def __init__(self, model: ReWorldModel, reward: PlanReward) -> None:
        super().__init__()
        self.model, self.reward = model, reward
        self.before: dict[str, NDArray[np.float64]] | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook; a run that goes on knows how it began."""
        if self.before is None and trainer.val_dataloaders:
            self.before = self.measured(trainer.val_dataloaders)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        if self.before is None or not trainer.val_dataloaders:
            return
        now = self.measured(trainer.val_dataloaders)
        found = reasons(self.before, now)
        values = {name: float(np.nanmean(column)) for name, column in _known(now).items()}
        values[MONITOR] = float(len(found))
        pl_module.log_dict({f"val/{name}": value for name, value in values.items()})
        for reason in found if trainer.is_global_zero else ():
            logger.warning("%s at step %d: %s", MONITOR, trainer.global_step, reason)

    def state_dict(self) -> dict[str, Any]:
        """Part of a checkpoint: the measures before training."""
        before = {name: column.tolist() for name, column in (self.before or {}).items()}
        return {"before": before} if before else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From a checkpoint."""
        before = state_dict.get("before", {})
        self.before = {name: np.array(column) for name, column in before.items()} or None

    def measured(self, loader: Any) -> dict[str, NDArray[np.float64]]:
        """By name a value for each scene of all processes; in the same order at each call."""
        training = self.model.training
        self.model.eval()
        plans, experts, columns, spreads = [], [], [], []
        for features, targets, tokens in _batches(loader):
            planned, spread = self._planned(features)
            plans.append(planned)
            spreads.append(spread)
            experts.append(targets["trajectory"].double().numpy(force=True))
            columns.append(self.reward.columns(tokens, torch.from_numpy(planned[:, None])))
        self.model.train(training)
        own = {name: np.concatenate([c[name][:, 0] for c in columns]) for name in columns[0]}
        own |= {DIVERSITY: np.concatenate(spreads), REWARD: self.reward.of_columns(own)}
        own |= {"plans": np.concatenate(plans), "experts": np.concatenate(experts)}
        whole = _gathered(own)
        interval = self.model.config.planner.interval
        envelope = Envelope.of(whole.pop("experts"), interval)
        outside = envelope.outside(whole.pop("plans"), interval)
        scores = {one: whole.pop(f"{one}_{SCORE}") for one in PROTOCOL_NAMES}
        return {**scores, **whole, **{f"outside_{name}": row for name, row in outside.items()}}

    @torch.no_grad()
    def _planned(self, features: dict[str, Tensor]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Plans [B, L, 3] as they would be driven, and the spread (m) of plans of other noise."""
        model, planner = self.model, self.model.config.planner
        states = model.planning_states(features)
        planned = model.plan({**features, "states": torch.stack(states, dim=1)})
        memory, ego = model.action_dit.cache(states), features["ego"].to(states[0])
        shape = (_DRAWS, planner.horizon, 3)
        generator = torch.Generator().manual_seed(_SEED)
        noise = torch.randn(*shape, generator=generator).to(model.normaliser.centre)
        noises = noise[None].expand(len(ego), *shape).flatten(0, 1)
        drawn = sample_plan(model.action_dit, memory, ego, noises, planner)
        poses = model.normaliser.denormalise(drawn, clamp=True).unflatten(0, (len(ego), _DRAWS))
        spread = poses[..., :2].std(dim=1).norm(dim=-1).mean(dim=1)
        return planned.double().numpy(force=True), spread.double().numpy(force=True)


def _batches(loader: Any) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor], list[str]]]:
    """Features, targets and tokens of every batch, of our loaders or the devkit's."""
    for loader_ in loader if isinstance(loader, list | tuple) else [loader]:
        for features, targets, *names in loader_:
            yield features, targets, list(names[0]) if names else scene_names(targets["token"])


def _gathered(own: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The scenes of all processes, one process after the other."""
    if not (torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1):
        return own
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, own)
    return {name: np.concatenate([part[name] for part in parts]) for name in own}


def _known(measured: Measured) -> dict[str, NDArray[np.float64]]:
    """What has a value in any scene."""
    return {name: column for name, column in measured.items() if np.isfinite(column).any()}
