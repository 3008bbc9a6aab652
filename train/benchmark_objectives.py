"""What the rivals of Table 2 cost and how they compare; `--help` tells the sweeps."""

from __future__ import annotations

from reworld_agent.benchmarks.table2.command import KEPT, main
from reworld_agent.core.arguments import run_script

if __name__ == "__main__":
    run_script(main, KEPT)
