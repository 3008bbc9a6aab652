"""Mine hard negatives: `python train/mine_hard_negatives.py train_test_split=town_train`."""

from __future__ import annotations

from reworld_agent.cli.main import run_script


def main() -> None:
    """Entry point; exits 0 when every candidate was scored, 1 otherwise, 2 on wrong usage."""
    run_script("mine")


if __name__ == "__main__":
    main()
