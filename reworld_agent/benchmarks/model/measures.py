"""A training step of two blocks of full width, with and without each way to save memory."""

from __future__ import annotations

import dataclasses
import logging
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from tqdm import tqdm

from reworld_agent.benchmarks.model.precision import chosen_dtype
from reworld_agent.benchmarks.model.settings import ModelBenchmarkSettings
from reworld_agent.benchmarks.model.steps import step_seconds
from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.core.extras import is_installed
from reworld_agent.core.images import load_image
from reworld_agent.training.fit_settings import FitSettings, LoraSettings
from reworld_agent.training.memory.account import GB, run_counted, shallow
from reworld_agent.training.memory.step import StepPlan, made_up_batch
from reworld_agent.training.stages import load_stage
from reworld_agent.video.codecs import build_codec
from reworld_agent.video.encoding import encode_history

logger = logging.getLogger(__name__)
SIZE = (192, 320)  # height, width of the images where none is asked for
CAMERA = (1080, 1920)  # of nuPlan's pictures


def measures_table(settings: ModelBenchmarkSettings) -> pd.DataFrame:
    """One row for each measure, then what the data of a scene take.

    Each way to save memory is taken in bf16-mixed where the device computes bfloat16, else in
    float32; the steps in bfloat16 are then counted and not timed (see `computes_bfloat16`).

    Columns: measure, seconds (of a step, or of the data of its scenes), weights_gb, saved_gb,
    total_gb (accounting; none of data), share (of the seconds of the step without them).
    """
    config = load_model_config(settings.config_name, settings.recipe or "paper")
    height, width = settings.size or SIZE
    clip = dataclasses.replace(config.clip, height=height, width=width)
    config = dataclasses.replace(config, clip=clip)
    rows = []
    half = chosen_dtype(settings.dtype, settings.device) == torch.bfloat16
    usual = "bf16-mixed" if half else "float32"
    if not half:
        logger.info("steps in bfloat16 are counted, not timed: the device does not compute it")
    for name, plan in tqdm(list(_plans(config, settings.batch_size, usual)), desc="measures"):
        memory = run_counted(plan)
        row: dict[str, Any] = {"measure": name, "seconds": math.nan}
        if half or plan.precision == "32-true":
            row["seconds"] = step_seconds(plan, settings.device, settings.repeats, settings.warm_up)
        row |= {"weights_gb": memory.weights / GB, "saved_gb": memory.saved / GB}
        rows.append({**row, "total_gb": memory.total / GB})
    rows += _data_rows(config, settings)
    table = pd.DataFrame(rows)
    step = table.loc[table["measure"] == usual, "seconds"].item()
    table["share"] = table["seconds"] / step
    return table.round(3)


def _plans(config: ModelConfig, scenes: int, usual: str) -> Iterator[tuple[str, StepPlan]]:
    """Name and step of every measure; all but the precisions are taken in the usual one."""
    stage = load_stage("planner", config.recipe, config.name)
    plain = shallow(StepPlan(config, stage, precision="32-true", scenes=scenes), 2)
    mixed = plain.replaced(precision="bf16-mixed")
    yield "float32", plain
    yield "bf16-mixed", mixed
    yield "bf16-true", plain.replaced(precision="bf16-true")
    base = plain if usual == "float32" else mixed
    for level in ("2", "all"):
        fit = FitSettings(gradient_checkpointing=level)
        yield f"{usual}, gradient_checkpointing={level}", base.replaced(fit=fit)
    if is_installed("peft"):
        yield f"{usual}, lora.rank=16", base.replaced(lora=LoraSettings(rank=16))
    video = load_stage("1", "release", config.name)
    for mode, said in (("token", "a time for each token"), ("sample", "one time for all tokens")):
        timed = dataclasses.replace(video, video_times=mode)
        yield f"stage 1, {usual}, {said}", base.replaced(stage=timed)


def _data_rows(config: ModelConfig, settings: ModelBenchmarkSettings) -> list[dict[str, Any]]:
    """Seconds of what comes before the first block: pictures from disk, latents from pictures."""
    clip, scenes = config.clip, settings.batch_size
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "camera.jpg"
        noise = np.random.default_rng(0).integers(0, 256, (*(n // 8 for n in CAMERA), 3))
        small = Image.fromarray(noise.astype(np.uint8))
        small.resize(CAMERA[::-1]).save(file, quality=90)

        def read() -> None:
            for _ in range(scenes * clip.history_frames):
                pixels = load_image(file, "a picture", "", "")
                Image.fromarray(pixels).resize((clip.width, clip.height))

        reading = _seconds(read, settings.repeats)
    with torch.no_grad():
        codec = build_codec(config.codec)
        images = made_up_batch(config, clip, scenes)[0]["images"]
        encoding = _seconds(lambda: encode_history(codec, clip, images), settings.repeats)
    return [
        {"measure": "data: pictures decoded and resized", "seconds": reading},
        {"measure": "data: latents of them (part of the step)", "seconds": encoding},
    ]


def _seconds(work: Any, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))
