"""Fit codec and action normalisation: `python train/fit_statistics.py output_dir=FOLDER`."""

from __future__ import annotations

from reworld_agent.entry import fit_statistics
from reworld_agent.words import run_script


def main() -> None:
    """Entry point; exits 0 when the weights folder was written, 1 otherwise."""
    run_script(fit_statistics)


if __name__ == "__main__":
    main()
