"""Score trajectories of any planner: `python eval/score_trajectories.py --help`."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

if __name__ == "__main__":  # run as a file, the checkout is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reworld_agent.errors import ReWorldError
from reworld_agent.evaluation.score_file import (
    degrees_suspected,
    help_text,
    parse,
    read_trajectories,
    score_file,
    summary,
)


def main() -> None:
    """Entry point; exits 0 when every row was scored, 1 otherwise."""
    words = sys.argv[1:]
    if not words or any(word in ("-h", "--help", "help") for word in words):
        print(help_text())
        sys.exit(0 if words else 2)
    try:
        request = parse(words)
        if degrees_suspected(read_trajectories(request.trajectories)):
            warnings.warn("headings look like degrees; they are read as radians", stacklevel=1)
        table = score_file(request)
    except ReWorldError as error:
        sys.exit(f"error: {error}")
    print(summary(table, request.protocol))
    print(f"results in {request.output} and {request.output.with_suffix('.csv')}")
    sys.exit(0 if table["valid"].all() else 1)


if __name__ == "__main__":
    main()
