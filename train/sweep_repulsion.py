"""Factors of L_RDE side by side (the paper's Table 7); `--help` tells the settings."""

from __future__ import annotations

from reworld_agent.benchmarks.repulsion_sweep import main
from reworld_agent.core.arguments import run_script
from reworld_agent.training.chain import KEPT

if __name__ == "__main__":
    run_script(main, KEPT)
