"""Train one stage: `python run_training.py agent=reworld stage=1`."""

from __future__ import annotations

import sys

from reworld_agent.entry import train


def main() -> None:
    """Entry point; exits 0 when the stage ended and its weights were saved, 1 otherwise."""
    sys.exit(train(sys.argv[1:]))


if __name__ == "__main__":
    main()
