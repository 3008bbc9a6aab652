"""Time and memory of the model: `python train/benchmark_model.py model=paper parts=plan`."""

from __future__ import annotations

import sys

from reworld_agent.model_benchmark_command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
