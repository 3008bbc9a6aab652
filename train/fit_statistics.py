"""Fit codec and action normalisation: `python train/fit_statistics.py output_dir=FOLDER`."""

from __future__ import annotations

import sys

from reworld_agent.cli.commands.fit_statistics import COMMAND


def main() -> None:
    """Entry point; exits 0 when the weights folder was written, 1 otherwise, 2 on wrong usage."""
    sys.exit(COMMAND.call(sys.argv[1:]))


if __name__ == "__main__":
    main()
