"""Pools from and to BeyondDrive's pickles: `python train/convert_pool.py input=… output=…`."""

from __future__ import annotations

import sys

from reworld_agent.negatives.convert import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
