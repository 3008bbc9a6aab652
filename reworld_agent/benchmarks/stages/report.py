"""What each stage's step costs, with and without its term."""

from __future__ import annotations

from statistics import median
from typing import Any

import pandas as pd
import torch

from reworld_agent.benchmarks.stages.measure import (
    Ratio,
    action_operations,
    device_peak,
    paired_ratio,
    step_operations,
    time_steps,
    video_operations,
    without,
)
from reworld_agent.benchmarks.stages.settings import SLICE, StagesBenchmarkSettings
from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.core.errors import UsageError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.model import ReWorldModel
from reworld_agent.training.stages import TrainingStage, load_stage
from reworld_agent.video.conditioning import Grid

EXTRA = {"1": "intermediate", "2": "alignment"}  # the paper's term of a stage
TARGETS = {"intermediate": 1.003, "alignment": 1.01}  # of the ratio of times


@one_writer
def benchmark_stages(settings: StagesBenchmarkSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Operations and times of the stages' steps; the tables, which are also written.

    Raises:
        UsageError: the device is not there.
    """
    name, device = settings.model, settings.device
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device=cuda, but no CUDA device is here", "set device=cpu")
    operations = operation_table()
    times = step_table(name, device, settings.batch_size, settings.steps)
    folder = settings.output_dir
    if folder is not None:
        origin = {"model": name, "device": device, "torch": torch.__version__}
        for title, table in (("operations", operations), ("steps", times)):
            write_parquet(folder / f"{title}.parquet", table, origin)
            write_csv(folder / f"{title}.csv", table)
    return operations, times


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


def sliced_config() -> ModelConfig:
    """The paper's widths over 4 blocks, for small images and a codec in closed form."""
    values = load_model_config("paper").to_dict()
    clip = {**values["clip"], "height": 64, "width": 128}
    values |= {"name": SLICE, "clip": clip, "world_clip": clip}
    values["codec"] |= {"kind": "patch_pca"}
    values["video"] |= {"num_layers": 4, "mid_blocks": [2]}
    return ModelConfig.from_dict(values)


def step_table(model: str, device: str, batch_size: int, steps: int) -> pd.DataFrame:
    """What the paper's terms cost in time, a row for each stage and clock.

    Columns: stage, term, clock (wall | processor), steps, with_term_s, without_term_s (medians),
    ratio, low, high, expected (ratio of the operations), target, met (yes | no | open: the target
    lies within the interval), peak_gib. Other stages, and the memory of each:
    `reworld benchmark model`.
    """
    torch.manual_seed(0)
    config = sliced_config() if model == SLICE else load_model_config(model)
    rows: list[dict[str, Any]] = []
    for name, term in EXTRA.items():
        stage = _timed_stage(name, config, model)
        with torch.device(device):
            built = ReWorldModel(config)
        pair = {term: stage, f"without {term}": without(stage, term)}
        counts = [step_operations(built, variant, batch_size) for variant in pair.values()]
        times = list(time_steps(built, pair, batch_size, steps).values())
        for clock in ("wall", "processor"):
            series = [getattr(each, clock) for each in times]
            rows.append(
                {"stage": name, "term": f"L_{term}", "clock": clock, "steps": steps}
                | {"with_term_s": median(series[0]), "without_term_s": median(series[1])}
                | _verdict(paired_ratio(*series), TARGETS[term])
                | {"expected": counts[0] / counts[1], "peak_gib": device_peak(built.device)}
            )
        del built
    return pd.DataFrame(rows)


def _timed_stage(name: str, config: ModelConfig, model: str) -> TrainingStage:
    changes: dict[str, Any] = {"phases": [], "noise_draws": 1, "cache_states": False}
    if model == SLICE and name == "2":
        changes["align_blocks"] = list(config.video.mid_blocks)
    return load_stage(name, model="paper" if model == SLICE else model, overrides=changes)


def _verdict(ratio: Ratio, target: float) -> dict[str, Any]:
    met = "yes" if ratio.high <= target else "no" if ratio.low > target else "open"
    return {
        "ratio": ratio.median,
        "low": ratio.low,
        "high": ratio.high,
        "target": target,
        "met": met,
    }
