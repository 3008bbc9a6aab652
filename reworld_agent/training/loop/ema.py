"""An exponential moving average of the trained weights, saved beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from lightning.pytorch import Callback
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from reworld_agent.model import ReWorldModel
from reworld_agent.training.loop.export import save_weights
from reworld_agent.training.stages import TrainingStage

FOLDER = "weights_ema"


class AverageWeights(Callback):
    """Averages what a stage trains, step by step, and writes `weights_ema` when training ends.

    The decay warms up, or short runs would end near where they started (see `TrainingStage`).
    Its state, whole, is part of every checkpoint; of sharded weights (FSDP2) a process averages its
    shares. It follows `ExportWeights` in the list of callbacks,
    which notes that the stage was passed.

    Args:
        model: prepared for its stage.
        decay: of one optimiser step, below 1.
        inv_gamma: the larger, the slower the decay warms up: 1 - (1 + n / inv_gamma)^-0.75.
        start: steps before the first that is averaged.
    """

    def __init__(
        self, model: ReWorldModel, decay: float, inv_gamma: float = 1.0, start: int = 0
    ) -> None:
        super().__init__()
        self.model, self.decay, self.inv_gamma, self.start = model, decay, inv_gamma, start
        self.average: EMAModel | None = None
        self._saved: dict[str, Any] | None = None
        self._step = -1

    def _trained(self) -> list[Any]:
        return [p for p in self.model.parameters() if p.requires_grad]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook; here sharded parameters are what they stay."""
        self.average = EMAModel(
            self._trained(),
            decay=self.decay,
            update_after_step=self.start,
            use_ema_warmup=True,
            inv_gamma=self.inv_gamma,
            power=0.75,
        )
        self.average.to(pl_module.device)
        if self._saved is not None:
            pairs = zip(self._saved["shadow_params"], self.average.shadow_params, strict=True)
            shares = [_shared_out(saved, like) for saved, like in pairs]
            self.average.load_state_dict({**self._saved, "shadow_params": shares})
            self._saved = None
        self._step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Lightning's hook; with gradient accumulation most batches are no steps."""
        if self.average is not None and trainer.global_step > self._step:
            self._step = trainer.global_step
            self.average.step(self._trained())

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        if self.average is None:
            return
        parameters = self._trained()
        self.average.store(parameters)
        self.average.copy_to(parameters)
        notes = [f"Averaged weights (EMA, decay {self.decay}) of stage {self.model.history[-1]}."]
        folder = Path(trainer.default_root_dir) / FOLDER
        save_weights(self.model, folder, notes, trainer.is_global_zero)
        self.average.restore(parameters)

    def state_dict(self) -> dict[str, Any]:
        """Part of a checkpoint; every process calls it."""
        if self.average is None:
            return {}
        state = self.average.state_dict()
        return {**state, "shadow_params": [_whole(p) for p in state["shadow_params"]]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From a checkpoint; applied when training starts."""
        self._saved = state_dict or None


def _whole(tensor: Tensor) -> Tensor:
    """A tensor as a checkpoint holds it; of a sharded one the first process alone has the whole."""
    if not isinstance(tensor, DTensor):
        return tensor
    whole = tensor.full_tensor()
    first = tensor.device_mesh.get_rank() == 0
    return whole.cpu() if first else torch.empty(0)


def _shared_out(whole: Tensor, like: Tensor) -> Tensor:
    """Of a checkpoint's tensor, what this process keeps."""
    if not isinstance(like, DTensor):
        return whole
    on_device = whole.to(like.device)
    return distribute_tensor(on_device, like.device_mesh, like.placements)


def averages(model: ReWorldModel, stage: TrainingStage) -> list[Callback]:
    """The callback that averages a stage's weights, where the stage asks for it."""
    if not stage.ema_decay:
        return []
    return [AverageWeights(model, stage.ema_decay, stage.ema_inv_gamma, stage.ema_start)]
