"""A plan taken apart, and timed part by part.

Encode (codec), video (Video DiT up to the last block that is read), kv (keys and values of its
states, once), steps (the planner's Euler steps). Each repeat does all parts once, and each number
of steps after them, so that what else the machine does falls on all alike; a plan's time is the sum
of its parts in one repeat.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reworld_agent.benchmarks.model.loop import plan_by_fresh_memories
from reworld_agent.benchmarks.model.measure import Bench, random_model
from reworld_agent.benchmarks.plan.settings import PlanBenchmarkSettings
from reworld_agent.model import ReWorldModel
from reworld_agent.planner.sampler import sample_plan, scene_noise
from reworld_agent.training.memory.step import made_up_batch

Row = dict[str, Any]
ONCE, EACH = "once", "each step"  # K/V: ours; DriveLaW's loop


@dataclass
class Times:
    """Seconds of each repeat.

    Attributes:
        encode, video, kv: of the parts that do not depend on the steps.
        steps: of the planner's steps, by their number.
        fresh: likewise, keys and values computed at every step.
    """

    encode: list[float] = field(default_factory=list)
    video: list[float] = field(default_factory=list)
    kv: list[float] = field(default_factory=list)
    steps: dict[int, list[float]] = field(default_factory=dict)
    fresh: dict[int, list[float]] = field(default_factory=dict)


@torch.no_grad()
def rows_of(bench: Bench, settings: PlanBenchmarkSettings) -> Iterator[Row]:
    """The rows of one dtype and batch size: every exit, number of steps and way to plan."""
    model = random_model(bench.config, bench.device, bench.dtype)
    features = made_up_batch(bench.config, bench.config.clip, bench.batch)[0]
    for blocks in settings.exits(bench.config.video.num_layers):
        planner = dataclasses.replace(bench.config.planner, read_blocks=blocks)
        model.config = dataclasses.replace(bench.config, planner=planner)
        times = time_plans(bench, model, features, settings.steps)
        for steps in settings.steps:
            for kind in (ONCE, EACH):
                yield _row(bench, blocks, steps, kind, times)


def time_plans(
    bench: Bench, model: ReWorldModel, features: dict[str, Tensor], steps: tuple[int, ...]
) -> Times:
    """Times of `bench.repeats` plans, after one that is not timed."""
    times = Times(steps={n: [] for n in steps}, fresh={n: [] for n in steps})
    head, config = model.action_dit, model.config.planner
    noise = scene_noise((config.horizon, 3), bench.batch, config.seed, model.normaliser.centre)
    kept: dict[str, Any] = {}

    def encode() -> None:
        kept["history"] = model.encode(features["images"])

    def imagine() -> None:
        history = kept["history"]
        kept["states"] = model.video_states(history, model.future_noise(len(history)), features)

    def remember() -> None:
        kept["memory"] = head.cache(kept["states"])

    for number in range(bench.repeats + 1):
        found = [bench.timed(part) for part in (encode, imagine, remember)]
        ego = features["ego"].to(kept["states"][0])
        each: dict[str, dict[int, float]] = {ONCE: {}, EACH: {}}
        for count in steps:
            planner = dataclasses.replace(config, steps=count)
            once = partial(sample_plan, head, kept["memory"], ego, noise, planner)
            fresh = partial(plan_by_fresh_memories, head, kept["states"], ego, noise, planner)
            each[ONCE][count], each[EACH][count] = bench.timed(once), bench.timed(fresh)
        if number:
            for name, seconds in zip(("encode", "video", "kv"), found, strict=True):
                getattr(times, name).append(seconds)
            for count in steps:
                times.steps[count].append(each[ONCE][count])
                times.fresh[count].append(each[EACH][count])
    return times


def _row(bench: Bench, blocks: int, steps: int, kind: str, times: Times) -> Row:
    """One line of the table: p50 and p99 of the whole plan, the median of each part [ms]."""
    keys = times.kv if kind == ONCE else [0.0] * len(times.kv)
    planning = times.steps[steps] if kind == ONCE else times.fresh[steps]
    parts = {"encode": times.encode, "video": times.video, "kv": keys, "steps": planning}
    whole = 1000 * np.sum(list(parts.values()), axis=0)
    return {
        "dtype": str(bench.dtype).removeprefix("torch."),
        "batch": bench.batch,
        "blocks": blocks,
        "steps": steps,
        "keys_values": kind,
        "p50_ms": float(np.percentile(whole, 50)),
        "p99_ms": float(np.percentile(whole, 99)),
        **{f"{name}_ms": 1000 * float(np.median(values)) for name, values in parts.items()},
        "peak_gib": bench.peak() / 2**30,
    }
