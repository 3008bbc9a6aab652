"""Cost of the stages' steps: `python train/benchmark_stages.py model=tiny` (`--help` says more)."""

from __future__ import annotations

import sys

from reworld_agent.training.benchmark_report import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
