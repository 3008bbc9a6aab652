"""The benchmark of the model, as its settings say."""

from __future__ import annotations

import pandas as pd
import torch

from reworld_agent.benchmarks.model.measure import Bench, measure, with_size
from reworld_agent.benchmarks.model.measures import measures_table
from reworld_agent.benchmarks.model.memory import memory_table, rss_table
from reworld_agent.benchmarks.model.precision import chosen_dtype
from reworld_agent.benchmarks.model.settings import ModelBenchmarkSettings
from reworld_agent.config import load_model_config
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.core.setting_paths import with_ending


def _timed(settings: ModelBenchmarkSettings) -> pd.DataFrame:
    config = load_model_config(settings.config_name, settings.recipe or "paper")
    if settings.size is not None:
        config = with_size(config, *settings.size)
    dtype = chosen_dtype(settings.dtype, settings.device)
    bench = Bench(
        *(config, settings.device, dtype, settings.batch_size),
        *(settings.repeats, settings.warm_up, settings.gradient_checkpointing),
    )
    return measure(bench, settings.parts)


_TABLES = {"memory": memory_table, "measures": measures_table, "rss": rss_table}


@one_writer
def benchmark_model(settings: ModelBenchmarkSettings) -> pd.DataFrame:
    """Time the model; the table, which is also written.

    Raises:
        ConfigError: the configuration, its size or the device cannot be had.
    """
    table = _TABLES.get(settings.parts[0], _timed)(settings)
    origin = {"code_version": code_version(), "torch": torch.__version__}
    origin["recipe"] = settings.recipe or "paper"
    write_parquet(with_ending(settings.output, ".parquet"), table, origin)
    write_csv(with_ending(settings.output, ".csv"), table)
    return table
