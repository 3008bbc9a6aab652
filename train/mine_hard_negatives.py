"""Mine hard negatives: `python train/mine_hard_negatives.py train_test_split=town_train`."""

from __future__ import annotations

import sys

from reworld_agent.cli.commands.mine import COMMAND


def main() -> None:
    """Entry point; exits 0 when every candidate was scored, 1 otherwise, 2 on wrong usage."""
    sys.exit(COMMAND.call(sys.argv[1:]))


if __name__ == "__main__":
    main()
