"""Train the blind baseline: `python train/train_ego_status_mlp.py` makes the shipped weights."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reworld_agent.baselines.ego_status_mlp import SHIPPED_WEIGHTS
from reworld_agent.baselines.ego_status_training import train
from reworld_agent.core.arguments import OK, exit_of


def main() -> None:
    """Entry point; exits 1 where the split cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-split", default="town_train")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=SHIPPED_WEIGHTS)
    args = parser.parse_args()

    def run() -> int:
        loss = train(args.data_split, epochs=args.epochs, seed=args.seed, output=args.output)
        print(f"loss {loss:.4f}; weights in {args.output}")
        return OK

    sys.exit(exit_of(run))


if __name__ == "__main__":
    main()
