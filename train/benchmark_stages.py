"""`reworld benchmark stages`: cost of the stages' steps."""

from __future__ import annotations

from reworld_agent.cli.main import run_script

if __name__ == "__main__":
    run_script("benchmark stages")
