"""Fit codec and action normalisation: `python train/fit_statistics.py output_dir=FOLDER`."""

from __future__ import annotations

from reworld_agent.cli.main import run_script


def main() -> None:
    """Entry point; exits 0 when the weights folder was written, 1 otherwise, 2 on wrong usage."""
    run_script("fit-statistics")


if __name__ == "__main__":
    main()
