"""Train one stage: `python run_training.py agent=reworld stage=1`."""

from __future__ import annotations

import sys

from reworld_agent.cli.commands.train import COMMAND


def main() -> None:
    """Entry point; exits 0 when the weights were saved, 1 otherwise, 2 on wrong usage."""
    sys.exit(COMMAND.call(sys.argv[1:]))


if __name__ == "__main__":
    main()
