"""What each process runs for test_fit_runs: `torchrun fit_processes.py FOLDER WHAT [WORD ...]`.

The words go to every run.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from reworld_agent.training import run
from reworld_agent.training.loop.module import StageModule
from tests.scenes.small_logs import SPLIT
from tests.training.test_run import config

CHAIN = ("1", "planner", "2", "3")
WAYS = {
    "lora": ("lora.rank=2", "gradient_checkpointing=all"),
    "bf16": ("trainer.params.precision=bf16-mixed",),
}


def train_stage(root: Path, stage: str, recipe: str, before: Path, to: Path, *more: str) -> None:
    """Two steps of four scenes, from the weights of the stage before."""
    run(
        config(
            *(root, stage, f"recipe={recipe}", f"output_dir={to}"),
            f"agent.init_from={before / 'weights'}",
            f"hard_negatives.pool={root / 'pool.parquet'}",
            "dataloader.params.batch_size=1",
            f"validation.split={SPLIT}",
            *more,
        )
    )


def train_chain(root: Path, recipe: str, name: str, *more: str) -> None:
    """All stages of a recipe, into `<root>/<name>_<recipe>_<stage>`."""
    before = root / f"start_{recipe}"
    for stage in CHAIN:
        to = root / f"{name}_{recipe}_{stage}"
        train_stage(root, stage, recipe, before, to, *more)
        before = to


def train_killed(root: Path, recipe: str, name: str, *more: str) -> None:
    """As `train_chain`; in each stage the kernel ends one process once, before its third step."""
    step = StageModule.training_step

    def killed(self: Any, batch: Any, batch_idx: int) -> Any:
        mark = Path(self.trainer.default_root_dir) / "killed"
        meant = CHAIN.index(self.stage.name) % self.trainer.world_size == self.global_rank
        if batch_idx >= 4 and meant and not mark.exists():  # two forwards a step
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as cut:
        cut.setattr(StageModule, "training_step", killed)
        train_chain(root, recipe, name, *more)


def cut_by_sigterm(root: Path, name: str, *more: str) -> None:
    """Stage 3 of which the last process is sent SIGTERM in its second step; or that goes on."""
    before, to = root / "ddp_release_2", root / name.replace(":", "_")
    words = (*more, "trainer.params.max_steps=5", "checkpoint_steps=100")
    step = StageModule.training_step

    sent: list[int] = []

    def asked(self: Any, batch: Any, batch_idx: int) -> Any:
        last = self.global_rank == self.trainer.world_size - 1
        if self.global_step == 1 and last and not sent:  # a step may have two forwards
            sent.append(batch_idx)
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as cut:
        if not (to / "checkpoints" / "last.ckpt").exists() and "straight" not in name:
            cut.setattr(StageModule, "training_step", asked)
        train_stage(root, "3", "release", before, to, *words)


def main() -> None:
    """The chains of both recipes under both strategies, or a run that is killed or asked to end."""
    torch.set_num_threads(1)
    root, what, words = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    words.append(f"trainer.params.devices={os.environ['WORLD_SIZE']}")
    if what == "chains":
        for strategy in ("ddp", "fsdp2"):
            for recipe in ("paper", "release"):
                more = [*words, f"trainer.params.strategy={strategy}"]
                train_chain(root, recipe, strategy, *more)
                before = root / f"{strategy}_{recipe}_2"
                for name, ways in WAYS.items():
                    to = root / f"{strategy}_{recipe}_{name}"
                    train_stage(root, "3", recipe, before, to, *more, *ways)
        return
    strategy, *recipe_of, name = what.split("_")
    words.append(f"trainer.params.strategy={strategy}")
    if not recipe_of:
        cut_by_sigterm(root, what, *words)
        return
    words += ["trainer.params.max_steps=4", "checkpoint_steps=1"]
    train = train_killed if name == "killed" else train_chain
    train(root, recipe_of[0], f"{strategy}_{name}", *words)


if __name__ == "__main__":
    main()
