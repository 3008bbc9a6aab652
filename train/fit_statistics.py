"""Fit codec and action normalisation: `python train/fit_statistics.py output_dir=FOLDER`."""

from __future__ import annotations

import sys

from reworld_agent.entry import fit_statistics


def main() -> None:
    """Entry point; exits 0 when the weights folder was written, 1 otherwise."""
    sys.exit(fit_statistics(sys.argv[1:]))


if __name__ == "__main__":
    main()
