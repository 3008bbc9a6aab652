"""`reworld train-demo`: the chain of stages on the embedded split."""

from __future__ import annotations

from reworld_agent.cli.main import run_script

if __name__ == "__main__":
    run_script("train-demo")
