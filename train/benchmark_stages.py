"""Cost of the stages' steps: `python train/benchmark_stages.py model=tiny` (`--help` says more)."""

from __future__ import annotations

from reworld_agent.benchmarks.stages.report import main
from reworld_agent.core.arguments import run_script

if __name__ == "__main__":
    run_script(main)
