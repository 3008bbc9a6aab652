"""Weights are judged: `judge` makes the table, the verdict, and the record in their folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import DataError, WeightsError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version, weights_hash
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.core.setting_paths import written
from reworld_agent.core.text import shown
from reworld_agent.generation.model_choice import device_of
from reworld_agent.model import ReWorldModel, shipped_folder
from reworld_agent.model.gate_record import write_verdict
from reworld_agent.model.weights_folder import read_training, trusted_config
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.datasets.held_out import spread_scenes
from reworld_agent.training.datasets.scene_arrays import SceneDataset, scene_arrays
from reworld_agent.training.gate.planner import judge_planner, mean_states
from reworld_agent.training.gate.settings import GateSettings
from reworld_agent.training.gate.velocity import Latents, judge_velocity
from reworld_agent.training.gate.verdict import COLUMNS, Gate, rows_of, verdict_of
from reworld_agent.training.loop.ema import FOLDER as AVERAGED

logger = logging.getLogger(__name__)
RAW, EMA = "raw", "ema"
_PLANNER = "planner"  # the stage that trains it first


@one_writer
def judge(settings: GateSettings) -> Gate:
    """Judge weights on held-out scenes; the table is written, the verdict kept with the weights.

    Raises:
        UsageError: the device is not there.
        WeightsError: the weights are not there, or their planner is to be judged and is untrained.
        DataError: scenes cannot be read or scored.
    """
    folder = settings.checkpoint_path or shipped_folder("tiny")
    folders = _folders(folder)
    if settings.planner:
        for place in folders.values():
            _require_planner(place)
    config = trusted_config(folder)
    held = _scenes(settings, config, settings.judged, settings.clips)
    fitted = _scenes(settings, config, settings.fitted, settings.fit_clips)
    rows: list[dict[str, Any]] = []
    verdicts, hashes = {}, {}
    for name, place in folders.items():
        model = ReWorldModel.from_pretrained(place, config).to(device_of(settings.device)).eval()
        own = _judge_one(name, model, held, fitted, settings)
        verdicts[name], hashes[name] = verdict_of(own), weights_hash(model)
        rows += own
    origin = {
        "protocol": "gate_1",
        "code_version": code_version(),
        "weights": shown(folder),
        "weights_sha256": hashes[RAW],
        "split": settings.judged,
        "fit_split": settings.fitted,
        "tokens": len(held),
        "fit_tokens": len(fitted),
        "seed": settings.seed,
        "gate": verdicts[RAW],
    }
    table = pd.DataFrame(rows, columns=COLUMNS)
    parquet, csv = written(settings.output, (".parquet", ".csv"))
    write_parquet(parquet, table, origin)
    write_csv(csv, table)
    if settings.record and settings.checkpoint_path is not None:
        for name, place in folders.items():
            _keep(place, verdicts[name], settings.judged, len(held))
    return Gate(table, verdicts, origin, (parquet, csv))


def _folders(folder: Path) -> dict[str, Path]:
    """The named weights, and their average where it lies beside them."""
    beside = folder.parent / AVERAGED
    if folder.name == AVERAGED or not (beside / "config.json").is_file():
        return {RAW: folder}
    return {RAW: folder, EMA: beside}


def _require_planner(folder: Path) -> None:
    passed = read_training(folder).stages
    if _PLANNER not in passed:
        raise WeightsError(
            f"the planner of {shown(folder)} is untrained (passed: {', '.join(passed) or 'none'})",
            "judge the video half alone: planner=false",
        )


def _scenes(settings: GateSettings, config: ModelConfig, split: str, count: int) -> SceneDataset:
    """Scenes of a split with their future images, spread evenly."""
    window = SceneFilter(frame_interval=1)
    loader = spread_scenes(split, count, window, cameras=config.cameras)
    return SceneDataset(
        scene_arrays(loader, config, future_images=True, cache=settings.cache_path),
        config.clip.history_frames,
    )


def _judge_one(
    name: str,
    model: ReWorldModel,
    held: SceneDataset,
    fitted: SceneDataset,
    settings: GateSettings,
) -> list[dict[str, Any]]:
    moments = Latents.of(model, fitted, "latents to fit").moments()
    velocity = judge_velocity(model, Latents.of(model, held, "latents"), moments, settings.seed)
    plans = None
    if settings.planner:
        mean = mean_states(model, fitted)
        plans = judge_planner(model, held, mean, resolve_split(settings.judged), settings.seed)
    return rows_of(name, velocity, plans)


def _keep(folder: Path, verdict: str, split: str, scenes: int) -> None:
    """The verdict with its weights; that they lie where nobody may write stops nothing."""
    try:
        write_verdict(folder, verdict, split, scenes, code_version())
    except DataError as error:
        logger.warning("the verdict is not noted with the weights: %s", error.message)
