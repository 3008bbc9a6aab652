"""Fit codec and action normalisation: `python train/fit_statistics.py output_dir=FOLDER`."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from reworld_agent.errors import ReWorldError


@hydra.main(
    config_path="pkg://navsim_configs", config_name="reworld_run_training", version_base="1.3"
)
def main(cfg: DictConfig) -> None:
    """Entry point; exits 0 when the weights folder was written, 1 otherwise."""
    from reworld_agent.training.statistics import run

    try:
        code = run(cfg)
    except ReWorldError as error:
        sys.exit(f"error: {error}")
    sys.exit(code)


if __name__ == "__main__":
    main()
