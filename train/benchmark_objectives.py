"""What the rivals of Table 2 cost and how they compare; `--help` tells the sweeps."""

from __future__ import annotations

import sys

from reworld_agent.errors import ReWorldError
from reworld_agent.training.table2.command import main as run
from reworld_agent.words import report_error


def main() -> None:
    """Entry point; exits 1 or 2 with clear lines where the user can mend it."""
    try:
        sys.exit(run(sys.argv[1:]))
    except ReWorldError as error:
        sys.exit(report_error(error))


if __name__ == "__main__":
    main()
