"""The command of the model's benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from reworld_agent.benchmarks.model.measure import PARTS, Settings, measure, with_size
from reworld_agent.config import load_model_config
from reworld_agent.core.arguments import Words, run_command
from reworld_agent.core.errors import UsageError
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_csv, write_parquet

HELP = """python train/benchmark_model.py [model=tiny|paper] [parts=encode,forward,plan,stages]

Time and peak memory of the model with random weights, as a table, OUTPUT.csv and OUTPUT.parquet.

  parts=         encode: the codec; forward: one Video DiT forward and the planner's steps;
                 plan: these steps with keys and values once and at every step; stages: an
                 optimiser step of every training stage
  model=tiny     configuration; recipe=paper
  device=cpu     or cuda; dtype=bfloat16 or float32
  size=HxW       of the images, such as 224x224 (default: the configuration's)
  batch=1        scenes; repeats=5: timed runs; warm_up=false leaves out one before them
  output=model_benchmark

example:
  python train/benchmark_model.py model=paper parts=plan size=224x224
"""
KNOWN = (
    "model",
    "recipe",
    "parts",
    "device",
    "dtype",
    "size",
    "batch",
    "repeats",
    "warm_up",
    "output",
)


def main(words: Sequence[str]) -> int:
    """Measure as the words say; the exit code."""
    return run_command(words or ["model=tiny"], HELP, KNOWN, _run)


def _run(words: Words) -> int:
    given = words.settings
    parts = given.get("parts", ",".join(PARTS)).split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown or words.plain:
        raise UsageError(f"cannot read {(unknown + list(words.plain))[0]}", HELP.split("\n")[0])
    config = load_model_config(given.get("model", "tiny"), given.get("recipe", "paper"))
    if "size" in given:
        config = with_size(config, *_size(given["size"]))
    settings = Settings(
        config,
        words.choice("device", ("cpu", "cuda")) or "cpu",
        getattr(torch, words.choice("dtype", ("bfloat16", "float32")) or "bfloat16"),
        words.number("batch", 1),
        words.number("repeats", 5),
        words.flag("warm_up", True),
    )
    table = measure(settings, parts)
    output = words.path("output") or Path("model_benchmark")
    origin = {"code_version": code_version(), "torch": torch.__version__, "recipe": config.recipe}
    write_parquet(output.with_suffix(".parquet"), table, origin)
    write_csv(output.with_suffix(".csv"), table)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    return 0


def _size(text: str) -> tuple[int, int]:
    height, cross, width = text.partition("x")
    if not (cross and height.isdigit() and width.isdigit()):
        raise UsageError(f"size={text} is no height and width", "say size=224x224")
    return int(height), int(width)
