"""Cost of the stages' steps: `python train/benchmark_stages.py model=tiny` (`--help` says more)."""

from __future__ import annotations

from reworld_agent.training.benchmark_report import main
from reworld_agent.words import run_script

if __name__ == "__main__":
    run_script(main)
