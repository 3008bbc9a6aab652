"""NAVSIM's `AgentLightningModule` on the built-in host, and the weights that it leaves behind."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule
from torch import Tensor

from reworld_agent.core.atomic import write_atomically
from reworld_agent.training.agents.samples import Pair
from reworld_agent.training.loop.module import batch_seed, displacement
from reworld_agent.training.losses import require_finite

WEIGHTS = "agent.ckpt"


class AgentModule(LightningModule):
    """Trains an agent by its own loss and optimiser, as the devkit's module does.

    Agents of the devkit's forks (DiffusionDrive and its relatives) are taken as their forks train
    them: a `forward` that has a place for targets is given them, and of a loss that is a mapping
    `loss` is what is learned from, and its other terms are logged.

    Args:
        agent: an `AbstractAgent`; its parameters stand under `agent.` in checkpoints.
        seed: what the agent draws in a step depends on it and on the number of the batch alone: a
            resumed run draws what it would have drawn.
    """

    def __init__(self, agent: Any, seed: int = 0) -> None:
        super().__init__()
        self.agent, self.seed = agent, seed
        self._sees_targets = "targets" in inspect.signature(agent.forward).parameters

    def training_step(self, batch: Pair, batch_idx: int) -> Tensor:
        """Loss of a batch of features and targets; NotFiniteError where it is not finite."""
        number = self.current_epoch * int(self.trainer.num_training_batches) + batch_idx
        torch.manual_seed(batch_seed(self.seed, number) + self.global_rank)
        loss, _ = self._step(batch, "train")
        require_finite(loss, f"at step {self.global_step}")
        return loss

    def validation_step(self, batch: Pair, batch_idx: int) -> None:
        """Log the loss and, where a trajectory is predicted, ADE and FDE (m)."""
        _, predictions = self._step(batch, "val")
        plans, experts = predictions.get("trajectory"), batch[1].get("trajectory")
        if plans is not None and experts is not None and plans.shape == experts.shape:
            away = {f"val/{k}": v for k, v in displacement(plans, experts).items()}
            self.log_dict(away, batch_size=len(plans), sync_dist=True)

    def _step(self, batch: Pair, prefix: str) -> tuple[Tensor, dict[str, Tensor]]:
        features, targets = batch
        given = (features, targets) if self._sees_targets else (features,)
        predictions = self.agent.forward(*given)
        found = self.agent.compute_loss(features, targets, predictions)
        terms: dict[str, Tensor] = dict(found) if isinstance(found, Mapping) else {"loss": found}
        count = len(next(iter(targets.values())))
        for name, term in terms.items():
            if term is not None:
                shown = name == "loss"
                self.log(f"{prefix}/{name}", term, prog_bar=shown, batch_size=count, sync_dist=True)
        return terms["loss"], predictions

    def configure_optimizers(self) -> Any:
        """The agent's own."""
        return self.agent.get_optimizers()


class ExportAgent(Callback):
    """Writes `agent.ckpt` when training ends: what agents of the devkit read as `checkpoint_path`.

    Its `state_dict` has the agent's parameters under `agent.`.
    """

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        if trainer.is_global_zero:
            state = {key: value.detach().cpu() for key, value in pl_module.state_dict().items()}
            file = Path(trainer.default_root_dir) / WEIGHTS
            write_atomically(file, lambda partial: torch.save({"state_dict": state}, partial))
