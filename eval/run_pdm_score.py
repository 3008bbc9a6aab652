"""Plan and score a split: `python run_pdm_score.py agent=reworld train_test_split=town_test`."""

from __future__ import annotations

from reworld_agent.cli.main import run_script


def main() -> None:
    """Entry point; exits 0 when every scene was scored, 1 otherwise, 2 on wrong usage."""
    run_script("score")


if __name__ == "__main__":
    main()
