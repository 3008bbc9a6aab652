"""`python train/benchmark_stages.py`: what each stage's step costs, with and without its term."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from reworld_agent.config import CONFIG_NAMES, load_model_config
from reworld_agent.errors import ConfigError
from reworld_agent.evaluation.files import write_csv, write_parquet
from reworld_agent.model import ReWorldModel
from reworld_agent.training.benchmark import (
    action_operations,
    time_steps,
    timing_table,
    video_operations,
    without,
)
from reworld_agent.training.stages import load_stage
from reworld_agent.video.conditioning import Grid
from reworld_agent.words import Words, run_command

HELP = """python train/benchmark_stages.py model=tiny|paper [batch_size=4] [steps=20] [device=cpu]

Operations of a Stage 1 step with and without L_Mid, and of a Stage 2 step with and without L_align
(meta device, the paper's size), then the time of real steps with random weights, in turns.

  model=         configuration of the timed steps
  output_dir=    also write operations.parquet and steps.parquet, with csv twins

example:
  python train/benchmark_stages.py model=tiny batch_size=8 steps=40
"""
KNOWN = ("model", "batch_size", "steps", "device", "output_dir")
EXTRA = {"1": "intermediate", "2": "alignment"}  # the paper's term of a stage


def main(arguments: Sequence[str]) -> int:
    """Entry point; 0 when the tables were printed and written."""
    return run_command(arguments, HELP, KNOWN, _run)


def _run(words: Words) -> int:
    name = words.choice("model", CONFIG_NAMES) or "tiny"
    device = words.choice("device", ("cpu", "cuda")) or "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda, but no CUDA device is here", "say device=cpu")
    operations = operation_table()
    print(operations.to_string(index=False))
    times = step_table(name, device, words.number("batch_size", 4), words.number("steps", 20))
    print(times.to_string(index=False))
    folder = words.path("output_dir")
    if folder is not None:
        origin = {"model": name, "device": device, "torch": torch.__version__}
        for title, table in (("operations", operations), ("steps", times)):
            write_parquet(folder / f"{title}.parquet", table, origin)
            write_csv(folder / f"{title}.csv", table)
    return 0


def operation_table(model: str = "paper") -> pd.DataFrame:
    """Columns step, tokens, with_term, without_term [operations], ratio."""
    config, rows = load_model_config(model), []
    for clip in (config.clip, config.world_clip):
        tokens = Grid.of(clip, config.codec).tokens
        pair = [video_operations(config, tokens, heads) for heads in (True, False)]
        rows.append(("Stage 1, L_Mid", tokens, *pair))
    tokens = Grid.of(config.clip, config.codec).tokens
    blocks = load_stage("2", model=model).align_blocks
    pair = [action_operations(config, tokens, aligned) for aligned in (blocks, ())]
    rows.append(("Stage 2, L_align", tokens, *pair))
    table = pd.DataFrame(rows, columns=["step", "tokens", "with_term", "without_term"])
    return table.assign(ratio=table["with_term"] / table["without_term"])


def step_table(model: str, device: str, batch_size: int, steps: int) -> pd.DataFrame:
    """Times of steps with and without the paper's term, and the ratio of their medians.

    Other stages, and the memory of each: train/benchmark_model.py.
    """
    torch.manual_seed(0)
    tables = []
    for name, term in EXTRA.items():
        changes = {"phases": [], "noise_draws": 1, "cache_states": False}
        stage = load_stage(name, model=model, overrides=changes)
        variants = {f"stage {name}": stage, f"stage {name} without L_{term}": without(stage, term)}
        with torch.device(device):
            built = ReWorldModel(load_model_config(model))
        table = timing_table(time_steps(built, variants, batch_size, steps))
        tables.append(table.assign(ratio=table["median_s"].iloc[0] / table["median_s"]))
        del built
    return pd.concat(tables, ignore_index=True)
