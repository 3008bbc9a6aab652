"""What each of two processes runs for test_two_processes: `torchrun two_processes.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from reworld_agent.training import run, stage_run
from tests.training.reinforcement.worlds import caches, words
from tests.training.stops import cut_short
from tests.training.test_data import small_loader
from tests.training.test_run import config


def main() -> None:
    """A run, and the same cut short and gone on with."""
    torch.set_num_threads(1)
    root = Path(sys.argv[1])
    worlds = caches(small_loader(root / f"logs{torch.initial_seed()}").tokens)
    more = ["trainer.params.devices=2", "trainer.params.strategy=ddp", "checkpoint_steps=1"]
    more += ["dataloader.params.batch_size=2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage_run, "split_caches", lambda split: worlds)
        run(config(root, "4", *words(root, "ddp", *more)))
        broken = words(root, "resumed", *more)
        cut_short(config(root, "4", *broken), steps=2)
        run(config(root, "4", *broken))


if __name__ == "__main__":
    main()
