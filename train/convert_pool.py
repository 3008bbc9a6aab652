"""Pools from and to BeyondDrive's pickles: `python train/convert_pool.py input=… output=…`."""

from __future__ import annotations

from reworld_agent.core.arguments import run_script
from reworld_agent.negatives.convert import main

if __name__ == "__main__":
    run_script(main)
