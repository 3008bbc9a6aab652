"""Plan and score a split: `python run_pdm_score.py agent=reworld train_test_split=town_test`."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from reworld_agent.errors import ReWorldError


@hydra.main(
    config_path="pkg://navsim_configs", config_name="reworld_run_pdm_score", version_base="1.3"
)
def _main(cfg: DictConfig) -> None:
    from reworld_agent.evaluation.run import run

    try:
        code = run(cfg)
    except ReWorldError as error:
        sys.exit(f"error: {error}")
    sys.exit(code)


def main() -> None:
    """Entry point; exits 0 when every scene was scored, 1 otherwise."""
    # Hydra writes into output_dir before it calls us, and shows a traceback where it cannot.
    for override in sys.argv[1:]:
        if override.startswith("output_dir="):
            from reworld_agent.evaluation.files import check_writable

            try:
                check_writable(Path(override.partition("=")[2]))
            except ReWorldError as error:
                sys.exit(f"error: {error}")
    _main()


if __name__ == "__main__":
    main()
