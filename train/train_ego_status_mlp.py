"""`reworld train-ego-status-mlp`: the blind baseline."""

from __future__ import annotations

from reworld_agent.cli.main import run_script

if __name__ == "__main__":
    run_script("train-ego-status-mlp")
