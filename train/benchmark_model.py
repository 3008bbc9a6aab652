"""`reworld benchmark model`: time and memory of the model."""

from __future__ import annotations

from reworld_agent.cli.main import run_script

if __name__ == "__main__":
    run_script("benchmark model")
