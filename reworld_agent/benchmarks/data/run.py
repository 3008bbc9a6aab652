"""The benchmark of the data, as its settings say."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd

from reworld_agent.benchmarks.data.clips import Speeds, latent_speed, picture_speed, shard_speeds
from reworld_agent.benchmarks.data.index import index_rows
from reworld_agent.benchmarks.data.settings import DataBenchmarkSettings
from reworld_agent.config import ClipConfig, ModelConfig, load_model_config
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_with_twin
from reworld_agent.core.setting_paths import with_ending
from reworld_agent.training.stages import TrainingStage, load_stage, on_clips

Row = dict[str, Any]


@one_writer
def benchmark_data(settings: DataBenchmarkSettings) -> pd.DataFrame:
    """Time the way of clips from disk to the model; the table, which is also written.

    Columns: part, what, value, unit. One core does each piece of work; what several GPUs need is
    derived from it and from the assumed steps a second, and says so.

    Raises:
        ConfigError: the configuration cannot be had. DataError: the disk is full.
    """
    table = pd.DataFrame(list(_rows(settings)), columns=["part", "what", "value", "unit"])
    origin = {"code_version": code_version(), **settings.as_dict()}
    write_with_twin(with_ending(settings.output, ".parquet"), table, origin)
    return table


def _rows(settings: DataBenchmarkSettings) -> Iterator[Row]:
    config = load_model_config(settings.model)
    stage = on_clips(load_stage("1", "paper", settings.model), config)
    clip = stage.phases[0].apply(config.world_clip) if stage.phases else config.world_clip
    with (
        tempfile.TemporaryDirectory(prefix="reworld_") as name,
        patch.dict(os.environ, {"REWORLD_HOME": str(Path(name) / "home")}),
    ):
        folder = Path(name)
        if "index" in settings.parts:
            yield from index_rows(folder, settings.clips, settings.frames)
        speeds = _measured(settings, folder, config, clip)
    for one in speeds:
        yield {"part": one.part, "what": one.what, "value": one.value, "unit": one.unit}
        if one.unit == Speeds.CLIPS:
            yield _derived(settings, stage, one)


def _measured(
    settings: DataBenchmarkSettings, folder: Path, config: ModelConfig, clip: ClipConfig
) -> list[Speeds]:
    found: list[Speeds] = []
    if "pictures" in settings.parts:
        found += picture_speed(folder, clip, settings.repeats)
    if "latents" in settings.parts:
        found += latent_speed(config, clip, settings.repeats)
    if "shards" in settings.parts:
        found += shard_speeds(folder, config, clip)
    return found


def _derived(settings: DataBenchmarkSettings, stage: TrainingStage, one: Speeds) -> Row:
    """Cores that keep the GPUs busy with this work, at the assumed speed of their steps."""
    wanted = stage.batch_size * settings.steps_per_s
    what = (
        f"derived: cores for {settings.gpus} GPUs at {settings.steps_per_s:g} steps/s (assumed) of "
        f"{stage.batch_size} clips, {one.what}"
    )
    return {"part": one.part, "what": what, "value": wanted / one.value, "unit": "cores"}
