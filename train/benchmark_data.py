"""`reworld benchmark data`: clips a second from disk to the model."""

from __future__ import annotations

from reworld_agent.cli.main import run_script

if __name__ == "__main__":
    run_script("benchmark data")
