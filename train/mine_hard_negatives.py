"""Mine hard negatives: `python train/mine_hard_negatives.py train_test_split=town_train`."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from reworld_agent.errors import ReWorldError


@hydra.main(
    config_path="pkg://navsim_configs",
    config_name="reworld_mine_hard_negatives",
    version_base="1.3",
)
def main(cfg: DictConfig) -> None:
    """Entry point; exits 0 when every candidate was scored, 1 otherwise."""
    from reworld_agent.training.mining import run

    try:
        code = run(cfg)
    except ReWorldError as error:
        sys.exit(f"error: {error}")
    sys.exit(code)


if __name__ == "__main__":
    main()
