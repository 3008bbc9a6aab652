"""`python -m reworld_agent.checkpoints`."""

from __future__ import annotations

import sys

from reworld_agent.checkpoints.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
