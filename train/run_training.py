"""Train one stage: `python run_training.py agent=reworld stage=1`."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from reworld_agent.errors import ReWorldError


@hydra.main(
    config_path="pkg://navsim_configs", config_name="reworld_run_training", version_base="1.3"
)
def _main(cfg: DictConfig) -> None:
    from reworld_agent.training.run import run

    try:
        code = run(cfg)
    except ReWorldError as error:
        sys.exit(f"error: {error}")
    sys.exit(code)


def main() -> None:
    """Entry point; exits 0 when the stage ended and its weights were saved, 1 otherwise."""
    _main()


if __name__ == "__main__":
    main()
