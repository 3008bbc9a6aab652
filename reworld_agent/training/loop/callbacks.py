"""Lightning callbacks, for our trainer and for the devkit's."""

from __future__ import annotations

import logging
import math
from collections import deque
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import pandas as pd
import torch
from lightning.pytorch import Callback
from torch import Tensor

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.provenance import code_hash
from reworld_agent.core.result_tables import read_csv, write_csv
from reworld_agent.model import ReWorldModel
from reworld_agent.training.loop.device_values import Later
from reworld_agent.training.loop.export import save_weights
from reworld_agent.training.losses import NotFiniteError
from reworld_agent.training.prepare import finish_stage
from reworld_agent.training.stages import TrainingStage

logger = logging.getLogger(__name__)


class ExportWeights(Callback):
    """Writes the weights folder, `weights` in the trainer's root, when training ends.

    A Lightning checkpoint also holds optimiser state and cannot say which stages it has passed.
    """

    def __init__(self, model: ReWorldModel, stage: TrainingStage) -> None:
        super().__init__()
        self.model, self.stage = model, stage

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        finish_stage(self.model, self.stage)
        notes = [f"Stages passed: {', '.join(self.model.history)}."]
        folder = Path(trainer.default_root_dir) / "weights"
        save_weights(self.model, folder, notes, trainer.is_global_zero)


class KeepStopped(Callback):
    """Saves the state in which a loss that is not finite has stopped a run, to look at.

    Other errors may be those of one process alone, and saving needs all of them.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Lightning's hook."""
        if isinstance(exception, NotFiniteError):
            trainer.save_checkpoint(self.file)


class SameCode(Callback):
    """Refuses a run whose processes have different code, before its first step."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Lightning's hook; the processes know each other by now."""
        if trainer.world_size == 1:
            return
        found: list[Any] = [None] * trainer.world_size
        torch.distributed.all_gather_object(found, code_hash())
        others = [rank for rank, code in enumerate(found) if code != found[0]]
        if others:
            message = f"process {others[0]} has other code of ReWorld than process 0"
            raise ConfigError(message, "install the same version on every machine")


class HasTerms(Protocol):
    """What keeps the terms of its last loss: the agent, in the devkit's trainer."""

    loss_terms: dict[str, Tensor]


class LogTerms(Callback):
    """Logs every term of the loss where the trainer's own module logs the sum alone (devkit).

    At the end it says which share of the samples had a hard negative.
    """

    def __init__(self, source: HasTerms) -> None:
        super().__init__()
        self.source = source
        self.shares: list[float] = []

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Lightning's hook."""
        terms = self.source.loss_terms
        pl_module.log_dict({f"train/{name}": value for name, value in terms.items()})
        if "negatives" in terms:
            self.shares.append(float(terms["negatives"]))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        if self.shares:
            share = sum(self.shares) / len(self.shares)
            level = logging.INFO if share else logging.WARNING
            logger.log(level, "%.1f %% of the samples had a hard negative", 100 * share)


class SpikeWatch(Callback):
    """Logs a warning, with the batch's scenes, where the loss leaps away from its recent course.

    Args:
        window: losses that make up the course.
        factor: a leap is so many times the median distance from the median.
    """

    def __init__(self, window: int = 100, factor: float = 20.0) -> None:
        super().__init__()
        self.recent: deque[float] = deque(maxlen=window)
        self.factor = factor
        self.spikes = 0
        self._later = Later(self._look)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Lightning's hook."""
        scenes = ", ".join(batch[2]) if len(batch) > 2 else "not named"
        scale = trainer.accumulate_grad_batches
        self._later.put(outputs["loss"], scale, trainer.global_step, scenes)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        self._later.flush()

    def _look(self, found: Tensor, scale: int, step: int, scenes: str) -> None:
        loss = float(found) * scale
        if len(self.recent) >= (self.recent.maxlen or 0) // 5:
            middle = median(self.recent)
            spread = median(abs(value - middle) for value in self.recent)
            if loss - middle > self.factor * spread:
                self.spikes += 1
                message = "loss spike at step %d: %.4g after %.4g; the batch's scenes: %s"
                logger.warning(message, step, loss, middle, scenes)
        if math.isfinite(loss):
            self.recent.append(loss)


class ValidationTable(Callback):
    """Keeps one row of every validation in a csv file, and logs it as a line.

    Args:
        file: columns `step` and the metrics named `val/...`; a run that goes on adds to it, one
            from the start begins it anew.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        if trainer.is_global_zero and trainer.global_step == 0:
            self.file.unlink(missing_ok=True)
        elif trainer.is_global_zero and self.file.is_file():
            self._known()  # damaged rows are refused before the work, not after it

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        found = {
            name.removeprefix("val/"): float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/")
        }
        if not found or not trainer.is_global_zero:
            return
        step = trainer.global_step
        text = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
        logger.info("validation at step %d: %s", step, text)
        rows = pd.DataFrame([{"step": step, **found}])
        if self.file.is_file():
            known = self._known()
            rows = pd.concat([known[known["step"] < step], rows])
        write_csv(self.file, rows)

    def _known(self) -> pd.DataFrame:
        return read_csv(self.file, "delete it: later validations are written anew", ("step",))
