"""`reworld pool convert`: pools from and to BeyondDrive's pickles."""

from __future__ import annotations

from reworld_agent.cli.main import run_script

if __name__ == "__main__":
    run_script("pool convert")
