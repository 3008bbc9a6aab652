"""The Lightning module of every stage."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.distributed.tensor import DTensor

from reworld_agent.core.errors import WeightsError
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.sharded_rng import ShardedRng
from reworld_agent.training.loop.blocks import fused_attention
from reworld_agent.training.loop.device_values import Later
from reworld_agent.training.loop.optim import build_optimizers
from reworld_agent.training.loop.parallel import shard_model
from reworld_agent.training.losses import (
    Batch,
    NotFiniteError,
    PolicyLoss,
    name_tensor,
    require_finite,
    stage_loss,
)
from reworld_agent.training.phases import phase_clip
from reworld_agent.training.stages import TrainingStage

VALIDATION_SEED = 1
FROZEN = "frozen"  # key of a checkpoint: the hash of the weights that it leaves out


def batch_seed(seed: int, batch_idx: int) -> int:
    """Seed of a batch's times and noise."""
    return (seed * 1_000_003 + batch_idx) * 4099


def displacement(plans: Tensor, experts: Tensor) -> dict[str, Tensor]:
    """Mean distance (m) of plans [B, L, 3] from the expert's: at all waypoints, and at the last."""
    away = (plans[..., :2] - experts.to(plans)[..., :2]).norm(dim=-1)
    return {"ade_m": away.mean(), "fde_m": away[:, -1].mean()}


class StageModule(LightningModule):
    """Trains the parts of a model that a stage trains, towards the stage's terms.

    Args:
        model: prepared for the stage (`prepare_stage`).
        stage: the stage.
        seed: noise and times of a batch depend on it and on the batch's number, and on nothing
            that came before: a resumed run draws what it would have drawn, and several processes
            draw what one would.
        optimizer: `adamw` or `adamw8bit`.
        start: hash of all weights that the stage started from. Checkpoints hold what learns, and
            this in the place of the rest.
    """

    numbers: type[ShardedRng] = ShardedRng  # of training
    strict_loading = False  # of checkpoints: what is frozen is not in them

    def __init__(
        self,
        model: ReWorldModel,
        stage: TrainingStage,
        seed: int = 0,
        optimizer: str = "adamw",
        start: str = "",
    ) -> None:
        super().__init__()
        self.model, self.stage, self.seed = model, stage, seed
        self.optimizer, self.start = optimizer, start
        self.fused: bool | None = None  # see build_optimizers
        self.finite = Later(self._require_finite)
        self.policy: PolicyLoss | None = None  # of Stage 4

    def configure_model(self) -> None:
        """Shard the model where the strategy has a device mesh (FSDP2)."""
        mesh = getattr(self.trainer.strategy, "weights_mesh", None) if self._trainer else None
        if mesh is not None:
            shard_model(self.model, mesh)

    def training_step(self, batch: tuple[Batch, Batch, list[str]], batch_idx: int) -> Tensor:
        """Loss of one batch (features, targets, tokens); DataError where it is not finite."""
        features, targets, tokens = batch
        generator = torch.Generator(self.device)
        generator.manual_seed(batch_seed(self.seed, batch_idx))
        world = self._trainer.world_size if self._trainer else 1
        rng = self.numbers(generator, self.global_rank, world)
        stage, config = self.stage, self.model.config
        clip = phase_clip(stage.phases, config.clip, self.global_step, stage.steps)
        with fused_attention(self.device):
            if self.policy is not None:
                targets = {**targets, "token": torch.stack([name_tensor(one) for one in tokens])}
            loss, logs = stage_loss(self.model, stage, features, targets, rng, clip, self.policy)
        self.finite.put(self._losses(loss), self.global_step, tokens)
        for name, value in logs.items():
            shown = name == "loss"
            size = len(tokens)
            self.log(f"train/{name}", value, prog_bar=shown, batch_size=size, sync_dist=world > 1)
        return loss

    def validation_step(self, batch: tuple[Batch, Batch, list[str]], batch_idx: int) -> None:
        """Log the terms of held-out samples and, of stages that plan, ADE and FDE (m).

        Times and noise of a sample are the same in every validation; see `watched` of the stage.
        """
        features, targets, tokens = batch
        generator = torch.Generator(self.device)
        generator.manual_seed(batch_seed(VALIDATION_SEED, batch_idx))
        world = self.trainer.world_size
        stage = self.stage.watched()
        clip = phase_clip(stage.phases, self.model.config.clip, self.global_step, stage.steps)
        rng = ShardedRng(generator, self.global_rank, world)
        _, logs = stage_loss(self.model, stage, features, targets, rng, clip)
        if stage.plans:
            logs |= displacement(self.model.plan(features), targets["trajectory"])
        named = {f"val/{name}": value for name, value in logs.items()}
        self.log_dict(named, batch_size=len(tokens), sync_dist=world > 1)

    def _losses(self, loss: Tensor) -> Tensor:
        """The loss of this process, and how many processes have one that is not finite; [2]."""
        bad = (~torch.isfinite(loss.detach())).float()
        if self._trainer and self._trainer.world_size > 1:
            torch.distributed.all_reduce(bad)
        return torch.stack([loss.detach().float(), bad])

    def _require_finite(self, found: Tensor, step: int, tokens: list[str]) -> None:
        """Stop all processes where one has a loss that is not finite; that one names its scenes."""
        if not found[1]:
            return
        self.finite.drop()
        scenes = ", ".join(tokens)
        require_finite(found[0], f"at step {step}; the batch's scenes: {scenes}")
        message = f"the loss of another process is not finite at step {step}"
        raise NotFiniteError(message, "that process names its scenes")

    def on_validation_start(self) -> None:
        """What has not been looked at yet comes before."""
        self.finite.flush()

    def on_train_epoch_end(self) -> None:
        """As before a validation; what writes the weights comes after it."""
        self.finite.flush()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out what is frozen; no weights are kept of a loss that is not finite."""
        self.finite.flush()
        learns = {name for name, p in self.named_parameters() if p.requires_grad}
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: state[name] for name in state if name in learns}
        checkpoint[FROZEN] = self.start

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise WeightsError where the run stands on other frozen weights than it began with."""
        if checkpoint.get(FROZEN, self.start) != self.start:
            message = "the checkpoint was made on other weights than the run starts from now"
            raise WeightsError(message, "use the same agent.init_from, or resume=false")

    def configure_optimizers(self) -> Any:
        """The optimiser and the stage's schedule."""
        eight_bit = self.optimizer == "adamw8bit"
        return build_optimizers(self.model, self.stage, eight_bit, self.fused)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Log the gradient's norm, before clipping: of all, and of each part that is trained."""
        norms = []
        for part in self.stage.trainable:
            parameters = getattr(self.model, part).parameters()
            norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            norms.append(norm.full_tensor() if isinstance(norm, DTensor) else norm)
            self.log(f"train/gradient_norm_{part}", norms[-1])
        self.log("train/gradient_norm", torch.stack(norms).norm())
