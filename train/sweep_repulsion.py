"""Factors of L_RDE side by side (the paper's Table 7); `--help` tells the settings."""

from __future__ import annotations

import sys

from reworld_agent.training.repulsion_sweep import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
