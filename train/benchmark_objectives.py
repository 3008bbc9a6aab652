"""`reworld benchmark methods`: the methods of Table 2 side by side."""

from __future__ import annotations

from reworld_agent.cli.main import run_script

if __name__ == "__main__":
    run_script("benchmark methods")
