"""`reworld benchmark scorer`: time of the scorer."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # run as a file, the checkout is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reworld_agent.cli.main import run_script

if __name__ == "__main__":
    run_script("benchmark scorer")
