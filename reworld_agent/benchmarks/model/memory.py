"""What every training stage keeps on a device, and how far that is from a real process."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import resource
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from reworld_agent.benchmarks.model.settings import ModelBenchmarkSettings
from reworld_agent.config import RECIPES, ModelConfig, load_model_config
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.guards.process_memory import peak_memory
from reworld_agent.training.memory.account import GB, run_counted
from reworld_agent.training.memory.choose import NotFitting, fit_step
from reworld_agent.training.memory.step import StepPlan, phases_of
from reworld_agent.training.settings import FSDP2
from reworld_agent.training.stages import STAGES, load_stage

STRATEGIES = ("ddp", FSDP2)
Row = dict[str, Any]


def memory_table(settings: ModelBenchmarkSettings) -> pd.DataFrame:
    """One row for each recipe, stage, phase and strategy: what is chosen for it, and what it keeps.

    Columns: recipe, stage, phase, strategy, checkpointing, scenes_per_forward, forwards (of a
    step), saved_gb, weights_gb, total_gb (1e9 bytes). A row that does not fit has 0 scenes, and
    what one scene would take.
    """
    name = settings.config_name
    recipes = RECIPES if settings.recipe is None else (settings.recipe,)
    jobs = []
    for recipe in recipes:
        config = load_model_config(name, recipe)
        for stage in STAGES:
            phases = phases_of(load_stage(stage, recipe, name), config)
            for number, phase in enumerate(phases, 1):
                plan = StepPlan(config, phase, precision="bf16-mixed", processes=settings.gpus)
                jobs += [(number, plan.replaced(strategy=strategy)) for strategy in STRATEGIES]
    rows = [_memory_row(*job, settings.memory_gb) for job in tqdm(jobs, desc="steps")]
    return pd.DataFrame(rows)


def _memory_row(number: int, plan: StepPlan, memory_gb: float) -> Row:
    stage = plan.stage
    share, rest = divmod(stage.batch_size, plan.processes)
    if rest:
        message = f"a batch of {stage.batch_size} cannot be shared out to {plan.processes} devices"
        raise ConfigError(message, "use another gpus=")
    try:
        found = fit_step(plan, memory_gb * GB, share)
        chosen, scenes, memory = found.checkpointing, found.scenes, found.memory
    except NotFitting as error:
        chosen, scenes, memory = "all", 0, error.memory
    return {
        "recipe": stage.recipe,
        "stage": stage.name,
        "phase": number,
        "strategy": plan.strategy,
        "checkpointing": chosen,
        "scenes_per_forward": scenes,
        "forwards": share // scenes if scenes else 0,
        "saved_gb": round(memory.saved / GB, 1),
        "weights_gb": round(memory.weights / GB, 1),
        "total_gb": round(memory.total / GB, 1),
    }


def narrow_config() -> ModelConfig:
    """A model whose steps keep some hundred megabytes, on images of 192 x 336."""
    tiny = load_model_config("tiny")
    video = dataclasses.replace(tiny.video, num_heads=8, head_dim=48, num_layers=4)
    clip = dataclasses.replace(tiny.clip, height=192, width=336)
    return dataclasses.replace(tiny, video=video, clip=clip, world_clip=clip)


def rss_table(settings: ModelBenchmarkSettings) -> pd.DataFrame:
    """The accounting of a narrow model against the peak memory of a process that trains it.

    Columns: stage, checkpointing, counted_mb, process_mb, ratio.
    """
    rows = []
    for stage in ("1", "planner"):
        for level in ("none", "all"):
            plan = rss_plan(stage, level)
            counted, found = run_counted(plan).total, process_bytes(plan)
            row: Row = {"stage": stage, "checkpointing": level}
            row |= {"counted_mb": counted / 1e6, "process_mb": found / 1e6}
            rows.append({**row, "ratio": counted / found})
    return pd.DataFrame(rows)


def rss_plan(stage: str, level: str) -> StepPlan:
    """A step of the narrow model."""
    settings = load_stage(stage, overrides={"cache_states": False, "noise_draws": 1})
    plan = StepPlan(narrow_config(), settings, scenes=4)
    return plan.replaced(fit=plan.fit.replaced(gradient_checkpointing=level))


def process_bytes(plan: StepPlan) -> float:
    """Bytes by which a process grows at the peak of a step on real tensors, in one of its own."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    # freed blocks go back to the system, as a device's allocator reuses them
    before = os.environ.get("MALLOC_MMAP_THRESHOLD_")
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(1 << 16)
    try:
        child = context.Process(target=_measure, args=(plan, sending))
        child.start()
    finally:
        if before is None:
            del os.environ["MALLOC_MMAP_THRESHOLD_"]
        else:
            os.environ["MALLOC_MMAP_THRESHOLD_"] = before
    sending.close()
    found = float(receiving.recv())
    child.join()
    return found


def _measure(plan: StepPlan, sending: Any) -> None:
    """In the child: what a small step leaves loaded, then the peak of the step."""
    torch.set_num_threads(1)
    clip = dataclasses.replace(plan.config.clip, height=32, width=48)
    small = dataclasses.replace(plan.config, clip=clip, world_clip=clip)
    run_counted(plan.replaced(config=small, scenes=1), fake=False)
    start = _resident()
    run_counted(plan, fake=False)
    sending.send(peak_memory() - start)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
