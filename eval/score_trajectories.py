"""Score trajectories of any planner: `python eval/score_trajectories.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # run as a file, the checkout is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reworld_agent.cli.main import run_script


def main() -> None:
    """Entry point; exits 0 when every row was scored, 1 otherwise, 2 on wrong usage."""
    run_script("score-trajectories")


if __name__ == "__main__":
    main()
