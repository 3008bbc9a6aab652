"""Time and memory of the model: `python train/benchmark_model.py model=paper parts=plan`."""

from __future__ import annotations

from reworld_agent.benchmarks.model.command import main
from reworld_agent.core.arguments import run_script

if __name__ == "__main__":
    run_script(main)
