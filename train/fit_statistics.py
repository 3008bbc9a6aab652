"""Fit codec and action normalisation: `python train/fit_statistics.py output_dir=FOLDER`."""

from __future__ import annotations

from reworld_agent.cli.hydra_run import fit_statistics
from reworld_agent.core.arguments import run_script


def main() -> None:
    """Entry point; exits 0 when the weights folder was written, 1 otherwise."""
    run_script(fit_statistics)


if __name__ == "__main__":
    main()
