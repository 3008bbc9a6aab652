"""Mine hard negatives: `python train/mine_hard_negatives.py train_test_split=town_train`."""

from __future__ import annotations

import sys

from reworld_agent.entry import mine


def main() -> None:
    """Entry point; exits 0 when every candidate was scored, 1 otherwise."""
    sys.exit(mine(sys.argv[1:]))


if __name__ == "__main__":
    main()
