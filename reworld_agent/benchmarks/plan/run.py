"""The benchmark of a plan's latency, as its settings say."""

from __future__ import annotations

import itertools

import pandas as pd
import torch
from tqdm import tqdm

from reworld_agent.benchmarks.model.measure import Bench, with_size
from reworld_agent.benchmarks.plan.measure import Row, rows_of
from reworld_agent.benchmarks.plan.settings import PlanBenchmarkSettings
from reworld_agent.config import load_model_config
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.core.setting_paths import with_ending


@one_writer
def benchmark_plan(settings: PlanBenchmarkSettings) -> pd.DataFrame:
    """Time every way to plan; the table, which is also written.

    One row a dtype, batch size, number of blocks that are read, number of steps, and way to keep
    keys and values: `p50_ms` and `p99_ms` of a whole plan, the median of its parts, and the peak
    memory (of the device; on the CPU of the process so far).

    Raises:
        ConfigError: the configuration, its size or the device cannot be had.
    """
    config = load_model_config(settings.model, settings.recipe)
    if settings.size is not None:
        config = with_size(config, *settings.size)
    rows: list[Row] = []
    kinds = itertools.product(settings.batch_sizes, settings.dtypes)
    for batch, dtype in tqdm(list(kinds), desc="planning", delay=5.0):
        number = getattr(torch, dtype)
        if settings.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        bench = Bench(config, settings.device, number, batch, settings.repeats, True)
        rows += rows_of(bench, settings)
    table = pd.DataFrame(rows)
    origin = {
        "code_version": code_version(),
        "torch": torch.__version__,
        "model": config.name,
        "recipe": config.recipe,
        "device": settings.device,
        "repeats": settings.repeats,
    }
    write_parquet(with_ending(settings.output, ".parquet"), table, origin)
    write_csv(with_ending(settings.output, ".csv"), table)
    return table
