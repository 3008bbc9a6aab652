"""A run that is sent SIGTERM: saved at the end of its step, in one process and in two."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from reworld_agent.training.loop.preemption import Preemption


class Steps:
    """What the callback asks of a trainer."""

    def __init__(self, world: int = 1, steps: int = 8) -> None:
        self.global_step, self.world_size, self.max_steps = 0, world, steps
        self.saved: list[int] = []

    def save_checkpoint(self, file: Path) -> None:
        self.saved.append(self.global_step)


class Ended(Exception):
    """The signal took effect."""


def run(trainer: Steps, watch: Preemption, asked_at: tuple[int, ...]) -> int:
    """Steps of two batches each; the step after which the signal took effect, or the last."""

    def end(number: int, frame: object) -> None:
        raise Ended

    before = signal.signal(signal.SIGTERM, end)
    try:
        watch.on_train_start(trainer, None)
        for step in range(1, trainer.max_steps + 1):
            for _ in range(asked_at.count(step)):
                os.kill(os.getpid(), signal.SIGTERM)
            watch.on_train_batch_end(trainer, None, None, None, 2 * step)
            trainer.global_step = step
            watch.on_train_batch_end(trainer, None, None, None, 2 * step + 1)
        watch.on_train_end(trainer, None)
        assert signal.getsignal(signal.SIGTERM) is end
    except Ended:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    return trainer.global_step


@pytest.mark.parametrize(
    ("asked", "validated", "saved"),
    [
        ((3,), None, [3]),
        ((3,), 3, [4]),  # the validation of step 3 comes first
        ((8,), None, []),  # at the last step it ends anyway
        ((), None, []),
    ],
)
def test_the_run_is_saved_where_its_step_ends(
    asked: tuple[int, ...], validated: int | None, saved: list[int], tmp_path: Path
) -> None:
    trainer = Steps()
    ended = run(trainer, Preemption(tmp_path / "last.ckpt", validated), asked)
    assert trainer.saved == saved and ended == (saved or [8])[0]


def test_a_second_signal_takes_effect_at_once(tmp_path: Path) -> None:
    trainer = Steps()
    assert run(trainer, Preemption(tmp_path / "last.ckpt"), (3, 3)) == 2 and not trainer.saved


def _process(rank: int, store: str, found: Any) -> None:
    torch.distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=2)
    trainer = Steps(world=2)
    ended = run(trainer, Preemption(Path(store)), (3,) if rank else ())
    found.put((ended, trainer.saved))
    torch.distributed.destroy_process_group()


def test_all_processes_end_after_the_same_step(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    found: Any = context.Queue()
    arguments = [(rank, str(tmp_path / "store"), found) for rank in (0, 1)]
    processes = [context.Process(target=_process, args=one) for one in arguments]
    for process in processes:
        process.start()
    results = [found.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert results == [(4, [4])] * 2  # one was sent it in step 3, and the other heard by the next
