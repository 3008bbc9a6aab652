"""The command that turns pools into BeyondDrive's pickles, and those into pools."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from reworld_agent.core.arguments import Words, run_command
from reworld_agent.core.errors import ConfigError
from reworld_agent.negatives.beyonddrive import export_pool, import_pool
from reworld_agent.negatives.pool import read_pool, write_pool

HELP = """python train/convert_pool.py input=POOL output=POOL [split=SPLIT]

A parquet pool to a folder of BeyondDrive's pickles, one a scene; or such a folder to a pool.

  split=         of the scenes, where the input is a folder: pickles do not say

example:
  python train/convert_pool.py input=beyonddrive_pool output=pool.parquet split=trainval
"""
KNOWN = ("input", "output", "split")


def main(arguments: Sequence[str]) -> int:
    """Entry point; 0 when the other form was written."""
    return run_command(arguments, HELP, KNOWN, _run)


def _run(words: Words) -> int:
    source, target = words.path("input"), words.path("output")
    if source is None or target is None:
        raise ConfigError("input= and output= are needed", HELP.partition("\n")[0])
    if source.is_dir():
        split = words.settings.get("split")
        if split is None:
            raise ConfigError(f"{source} does not say of which split it is", "add split=")
        rows = import_pool(source)
        write_pool(target, rows, {"split": split, "source": str(source)})
        count = rows["token"].nunique()
    else:
        read_pool(source, words.settings.get("split"))  # finds every fault of the file
        count = export_pool(pd.read_parquet(source), target)
    print(f"{count} scenes: {target}")
    return 0
