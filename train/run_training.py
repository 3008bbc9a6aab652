"""Train one stage: `python run_training.py agent=reworld stage=1`."""

from __future__ import annotations

from reworld_agent.cli.main import run_script


def main() -> None:
    """Entry point; exits 0 when the weights were saved, 1 otherwise, 2 on wrong usage."""
    run_script("train")


if __name__ == "__main__":
    main()
