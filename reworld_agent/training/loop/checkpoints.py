"""Checkpoints of a run, for going on with it after a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback


class Checkpoints(Callback):
    """Keeps the last checkpoint, whole or not at all.

    Where a validation is due at the same step, it comes first: a run that is stopped between the
    two repeats both, and loses no row of the table.

    Args:
        file: the checkpoint.
        every: optimiser steps between two.
        validated: optimiser steps between validations; None = there are none.
    """

    def __init__(self, file: Path, every: int, validated: int | None = None) -> None:
        super().__init__()
        self.file, self.every, self.validated = file, every, validated
        self._last = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook; a run that goes on does not save again what it has read."""
        self._last = trainer.global_step

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Lightning's hook."""
        if not self.validated or trainer.global_step % self.validated:
            self._save(trainer)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook; after that of the table, which stands before in the list."""
        self._save(trainer)

    def _save(self, trainer: Any) -> None:
        step = trainer.global_step
        if step % self.every == 0 and step != self._last:  # once, however many batches a step has
            self._last = step
            trainer.save_checkpoint(self.file)


class EpochCheckpoints(Callback):
    """Keeps the last checkpoint of a run of epochs: at an epoch's end, every so many steps.

    Args:
        file: the checkpoint.
        every: optimiser steps between two, at least.
    """

    def __init__(self, file: Path, every: int) -> None:
        super().__init__()
        self.file, self.every = file, every
        self._last = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        self._last = trainer.global_step

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook; validation, where it is due, is over."""
        if trainer.global_step - self._last >= self.every:
            self._last = trainer.global_step
            trainer.save_checkpoint(self.file)
