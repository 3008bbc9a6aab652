"""`reworld benchmark repulsion`: factors of L_RDE side by side (Table 7)."""

from __future__ import annotations

from reworld_agent.cli.main import run_script

if __name__ == "__main__":
    run_script("benchmark repulsion")
