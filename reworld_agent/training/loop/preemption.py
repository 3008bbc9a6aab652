"""A scheduler takes the machines back: the run is saved at the end of its step, and ends.

Before there is a step, there is nothing to save: it ends at once.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor

logger = logging.getLogger(__name__)


class _Start(Callback):
    """Gives SIGTERM back what it did, when the processes of a run have found each other."""

    def __init__(self) -> None:
        super().__init__()
        self._before: Any = None

    def take(self) -> None:
        """Let the kernel end this process where it is sent SIGTERM."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook, before it looks at which handlers there are."""
        self.give_back()

    def give_back(self) -> None:
        """Undo `take`."""
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None


@contextmanager
def ended_while_waiting(trainer: Any) -> Iterator[None]:
    """Let SIGTERM end a process that still waits for the others of its run.

    A handler in Python would not be heard: that wait is one call into torch, of half an hour where
    another process has failed.
    """
    start = _Start()
    if trainer.world_size > 1:
        trainer.callbacks.append(start)
        start.take()
    try:
        yield
    finally:
        start.give_back()


class Preemption(Callback):
    """Saves a checkpoint where a process of the run is sent SIGTERM; then the signal takes effect.

    Whichever process is sent it, and when: all of them end after the same step. They tell each
    other on the CPU, beside the step, and hear one step late, so that no device waits for it.
    Where a validation is due at that step, the run ends after the next: it loses no row of the
    table. A run that ends at its last step anyway ends as it would have.

    Args:
        file: the checkpoint, from which the same command goes on.
        validated: optimiser steps between validations; None = there are none.
    """

    def __init__(self, file: Path, validated: int | None = None) -> None:
        super().__init__()
        self.file, self.validated = file, validated
        self._asked = self._agreed = False
        self._before: Any = None
        self._group: Any = None
        self._told: tuple[Tensor, Any] | None = None
        self._last = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook; its own handlers are set by now."""
        self._last = trainer.global_step
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._ask)
        if trainer.world_size > 1:
            self._group = torch.distributed.new_group(backend="gloo")

    def _ask(self, number: int, frame: object) -> None:
        if self._asked:  # sent again: the step is not waited for
            if self._group is not None:  # Lightning's own waits for the others, which are in it
                self._before = signal.SIG_DFL
            self._take_effect()
        self._asked = True

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Lightning's hook; once a step, however many batches it has."""
        step = trainer.global_step
        if step == self._last:
            return
        self._last = step
        self._agreed |= self._someone_asked()
        validates = self.validated and step % self.validated == 0
        if self._agreed and not validates and step < trainer.max_steps:
            trainer.save_checkpoint(self.file)
            logger.info("SIGTERM: saved at step %d; the same command goes on", step)
            self._take_effect()

    def _someone_asked(self) -> bool:
        """Whether a process was sent the signal; of several, by the step before this one."""
        if self._group is None:
            return self._asked
        flag = torch.tensor(float(self._asked))
        work = torch.distributed.all_reduce(flag, group=self._group, async_op=True)
        before, self._told = self._told, (flag, work)
        if before is None:
            return False
        before[1].wait()
        return bool(before[0])

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        self._give_back()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Lightning's hook."""
        self._give_back()

    def _take_effect(self) -> None:
        self._give_back()
        os.kill(os.getpid(), signal.SIGTERM)

    def _give_back(self) -> None:
        """Let the signal do from now on what it did before the run."""
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None
