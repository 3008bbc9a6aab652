"""What each of two processes runs for test_parallel: `torchrun two_processes.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from reworld_agent.training import run
from tests.scenes.small_logs import SPLIT
from tests.training.stops import cut_short
from tests.training.test_run import config
from tests.training.test_table2_stage import config as table2_config

TERMS = ("loss", "action_flow", "repulsion", "outside_range", "negatives", "gradient_norm")


def words(root: Path, name: str, *more: str) -> list[str]:
    """Overrides of a Stage 3 run of 3 steps with 4 scenes a step."""
    return [
        f"agent.init_from={root / 'start' / 'weights'}",
        f"output_dir={root / name}",
        f"hard_negatives.pool={root / 'pool.parquet'}",
        "trainer.params.max_steps=3",
        "+trainer.params.log_every_n_steps=1",
        "+agent.overrides.ema_decay=0.9",
        f"validation.split={SPLIT}",
        *more,
    ]


def main() -> None:
    """Both strategies, one after the other, in the same two processes; each also cut short.

    Then a method of Table 2 that has a teacher.
    """
    torch.set_num_threads(1)
    root = Path(sys.argv[1])
    for strategy in ("ddp", "fsdp2"):
        more = ["trainer.params.devices=2", f"trainer.params.strategy={strategy}"]
        run(config(root, "3", *words(root, strategy, *more)))
        broken = words(root, f"{strategy}_resumed", *more, "checkpoint_steps=1")
        cut_short(config(root, "3", *broken), steps=2)
        run(config(root, "3", *broken))
    more = ["trainer.params.devices=2", "trainer.params.strategy=ddp", "validation.split=train"]
    run(table2_config(root / "index.parquet", root / "baseline", "representation=sra", *more))


if __name__ == "__main__":
    main()
