"""What the paper's extra terms cost: operations on the meta device, and time of real steps.

Operations are those of the transformers alone, forward and backward; with the codec and the
optimiser counted too, the ratios would be nearer to 1.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from reworld_agent.config import ModelConfig
from reworld_agent.core.guards.process_memory import peak_memory
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.alignment import alignment_loss
from reworld_agent.planner.heads import build_head
from reworld_agent.training.loop.optim import build_optimizers
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.prepare import set_trainable
from reworld_agent.training.stages import TrainingStage
from reworld_agent.video.backbones import build_backbone, condition_of, run_backbone
from reworld_agent.video.conditioning import Grid, Layout

GIB = 2**30
BOOTSTRAPS = 10_000


def count_operations(work: Callable[[], object]) -> int:
    """Floating-point operations of matrix products and attention, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def video_operations(config: ModelConfig, tokens: int, mid_heads: bool) -> int:
    """A Stage 1 step of the Video DiT on one clip of so many tokens, with or without L_Mid."""
    channels, video = config.codec.latent_channels, config.video
    with torch.device("meta"):
        dit = build_backbone(video, channels)
        latents, times = torch.zeros(1, tokens, channels), torch.zeros(1, tokens)
        condition = condition_of(torch.zeros(1, 1, video.caption_channels))
        layout = Layout(Grid(0, 1, 1, tokens), torch.zeros(1, 3, tokens))

        def step() -> None:
            output = run_backbone(dit, latents, times, layout, condition, run_heads=mid_heads)
            velocities = [output.velocity, *output.mid.values()]
            torch.stack([velocity.sum() for velocity in velocities]).sum().backward()

        return count_operations(step)


def action_operations(config: ModelConfig, tokens: int, align_blocks: tuple[int, ...]) -> int:
    """A Stage 2 step of the Action DiT on one scene, with L_align on some blocks or none."""
    video, horizon = config.video, config.planner.horizon
    with torch.device("meta"):
        dit = build_head(config.planner, video)
        states = [torch.zeros(1, tokens, video.width) for _ in range(video.num_layers)]
        actions, t, ego = torch.zeros(1, horizon, 3), torch.zeros(1), torch.zeros(1, 8)

        def step() -> None:
            output = dit(actions, t, ego, dit.cache(states), tap=align_blocks, states=states)
            loss = output.velocity.sum()
            if align_blocks:
                pairs = [(tap.state, tap.readout) for tap in output.readouts.values()]
                loss = loss + alignment_loss(pairs)
            loss.backward()

        return count_operations(step)


def made_up_batch(config: ModelConfig, scenes: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Features and targets of noise, in the shapes of a configuration."""
    clip, horizon = config.clip, config.planner.horizon
    generator = torch.Generator().manual_seed(0)

    def frames(count: int) -> Tensor:
        shape = (scenes, count, 3, clip.views * clip.height, clip.width)
        return torch.randint(0, 255, shape, generator=generator, dtype=torch.uint8)

    trajectory = torch.randn(scenes, horizon, 3, generator=generator).cumsum(dim=1)
    features = {
        "images": frames(clip.history_frames),
        "ego": torch.randn(scenes, 8, generator=generator),
    }
    return features, {
        "trajectory": trajectory,
        "future_images": frames(clip.future_frames),
        "hard_negative": trajectory + 1.0,
        "hard_negative_valid": torch.ones(scenes, dtype=torch.bool),
    }


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one kind of step, one number a step.

    Attributes:
        wall: by the clock.
        processor: of all threads of this process; what other work does to the clock is not in it.
    """

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def time_steps(
    model: ReWorldModel,
    stages: Mapping[str, TrainingStage],
    scenes: int,
    steps: int = 20,
    warmup: int = 2,
) -> dict[str, StepTimes]:
    """Time whole steps (forward, backward, optimiser) of several stages, in turns.

    In turns, so that whatever else the machine does slows all of them alike; every other round
    goes backwards, so that none has always the same one before it.

    Args:
        model: with random weights; they change.
        stages: by the name that the table gives them; all with the same trainable parts.
        scenes: batch of one step.
        steps: timed steps of each, at least 20 for a ratio to be trusted.
        warmup: steps of each that are not timed.
    """
    batch = made_up_batch(model.config, scenes)
    set_trainable(model, next(iter(stages.values())))
    optimizer = build_optimizers(model, next(iter(stages.values())))["optimizer"]
    times = {name: StepTimes() for name in stages}
    label = ", ".join(stages)
    for number in tqdm(range(warmup + steps), desc=label, delay=5.0, leave=False):
        for name in list(stages)[:: -1 if number % 2 else 1]:
            wall, processor = _timed_step(model, stages[name], batch, optimizer)
            if number >= warmup:
                times[name].wall.append(wall)
                times[name].processor.append(processor)
    return times


def _timed_step(
    model: ReWorldModel,
    stage: TrainingStage,
    batch: tuple[dict[str, Tensor], dict[str, Tensor]],
    optimizer: torch.optim.Optimizer,
) -> tuple[float, float]:
    _wait(model.device)
    wall, processor = time.perf_counter(), time.process_time()
    optimizer.zero_grad()
    with torch.autocast(model.device.type, torch.bfloat16, enabled=model.device.type == "cuda"):
        loss, _ = stage_loss(model, stage, *batch)
    loss.backward()
    optimizer.step()
    _wait(model.device)
    return time.perf_counter() - wall, time.process_time() - processor


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def step_operations(model: ReWorldModel, stage: TrainingStage, scenes: int) -> int:
    """Operations of the very step that `time_steps` times, without the optimiser's."""
    batch = made_up_batch(model.config, scenes)
    set_trainable(model, stage)
    count = count_operations(lambda: stage_loss(model, stage, *batch)[0].backward())
    model.zero_grad()
    return count


@dataclass(frozen=True)
class Ratio:
    """How much longer the steps with a term take: the median over pairs of neighbours.

    Attributes:
        median: of the paired ratios.
        low, high: 95 % of the medians of as many pairs drawn anew (percentile bootstrap).
    """

    median: float
    low: float
    high: float


def paired_ratio(with_term: ArrayLike, without_term: ArrayLike) -> Ratio:
    """Ratio of two series of times of steps taken in turns."""
    ratios = np.asarray(with_term, np.float64) / np.asarray(without_term, np.float64)
    drawn = np.random.default_rng(0).choice(ratios, (BOOTSTRAPS, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return Ratio(float(np.median(ratios)), float(low), float(high))


def device_peak(device: torch.device) -> float:
    """Of the device's tensors, or on the CPU of the process, so far [GiB]."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    return peak_memory() / GIB


def without(stage: TrainingStage, term: str) -> TrainingStage:
    """The stage with one term switched off."""
    weights = stage.weights.without(term)
    blocks = () if term == "alignment" else stage.align_blocks
    return dataclasses.replace(stage, weights=weights, align_blocks=blocks)
