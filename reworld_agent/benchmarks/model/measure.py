"""What the model costs, with random weights: one plan, keys and values once, steps of all stages.

Peak memory is the device's on CUDA; on the CPU it is the largest resident set of the process so
far, so that of a row that follows a larger one is that one's.
"""

from __future__ import annotations

import dataclasses
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from reworld_agent.benchmarks.model.loop import plan_by_fresh_memories
from reworld_agent.benchmarks.model.settings import PARTS
from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.model import ReWorldModel
from reworld_agent.planner.actions import ActionNormaliser
from reworld_agent.planner.heads import PlannerHead, build_head
from reworld_agent.planner.sampler import sample_plan, scene_noise
from reworld_agent.training.loop.optim import build_optimizers
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.prepare import set_trainable
from reworld_agent.training.stages import STAGES, TrainingStage, load_stage
from reworld_agent.video.codecs import Codec, build_codec
from reworld_agent.video.conditioning import Grid
from reworld_agent.video.encoding import encode_history

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Bench:
    """What to measure.

    Attributes:
        config: of the model; its clips say how many tokens there are.
        device, dtype: of the model; stages train float32 weights under autocast to `dtype`.
        batch: scenes of a plan and of a training step.
        repeats: timed runs of each thing, of which the median counts.
        warm_up: one run before them that does not count.
    """

    config: ModelConfig
    device: str = "cpu"
    dtype: torch.dtype = torch.bfloat16
    batch: int = 1
    repeats: int = 5
    warm_up: bool = True

    def __post_init__(self) -> None:
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device=cuda, but no GPU can be used", "say device=cpu")

    def row(self, part: str, seconds: float, tokens: int) -> Row:
        """One line of the table."""
        return {
            "part": part,
            "model": self.config.name,
            "device": self.device,
            "dtype": str(self.dtype).removeprefix("torch."),
            "batch": self.batch,
            "tokens": tokens,
            "seconds": seconds,
            "peak_gib": self.peak() / 2**30,
        }

    def peak(self) -> int:
        """Bytes at the highest so far."""
        if self.device == "cuda":
            return torch.cuda.max_memory_allocated()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def timed(self, work: Callable[[], object]) -> float:
        """Seconds of one run."""
        self.wait()
        start = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - start

    def median(self, work: Callable[[], object]) -> float:
        """Seconds of the median run, after a warm-up where asked."""
        if self.warm_up:
            self.timed(work)
        return statistics.median(self.timed(work) for _ in range(self.repeats))

    def wait(self) -> None:
        """Let the device finish."""
        if self.device == "cuda":
            torch.cuda.synchronize()


def with_size(config: ModelConfig, height: int, width: int) -> ModelConfig:
    """The configuration with images of another size, for planner and video training."""
    clips = {
        name: dataclasses.replace(getattr(config, name), height=height, width=width)
        for name in ("clip", "world_clip")
    }
    return dataclasses.replace(config, **clips)


def randomised(module: nn.Module, device: str, dtype: torch.dtype) -> nn.Module:
    """A module built on the meta device, with random weights; it never exists in another dtype."""
    module = nn.Module.to(module, dtype).to_empty(device=device)
    for name, tensor in module.state_dict().items():
        if tensor.ndim > 1:
            tensor.normal_(std=0.02)
        else:
            tensor.fill_(float(name.endswith(("weight", "std"))))
    return module.eval()


def random_model(
    config: ModelConfig, device: str, dtype: torch.dtype, codec: bool = True
) -> ReWorldModel:
    """A model of random weights; without its codec, that one stays on the meta device."""
    with torch.device("meta"):
        model = ReWorldModel(config)
    normaliser = ActionNormaliser(config.planner.normalisation, config.planner.horizon)
    for part in model.parts().values():
        if codec or part is not model.codec:
            randomised(part, device, dtype)
    model.normaliser = normaliser.to(device)
    return model.eval()


def random_batch(config: ModelConfig, batch: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Features and targets of made-up scenes, of the size of the config's `clip`."""
    clip, generator = config.clip, torch.Generator().manual_seed(0)
    frames = clip.history_frames + clip.future_frames
    shape = (batch, frames, 3, clip.views * clip.height, clip.width)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    plan = torch.rand(2, batch, config.planner.horizon, 3, generator=generator)
    history = clip.history_frames
    features = {"images": images[:, :history], "ego": torch.rand(batch, 8, generator=generator)}
    targets = {
        "trajectory": plan[0],
        "future_images": images[:, history:],
        "hard_negative": plan[1],
        "hard_negative_valid": torch.ones(batch, dtype=torch.bool),
    }
    return features, targets


@torch.no_grad()
def encode_rows(bench: Bench) -> Iterator[Row]:
    """The codec's work for a plan: the history's images to latents."""
    config = bench.config
    with torch.device("meta"):
        built = cast(nn.Module, build_codec(config.codec))
    codec = cast(Codec, randomised(built, bench.device, bench.dtype))
    images = random_batch(config, bench.batch)[0]["images"].to(bench.device)
    seconds = bench.median(lambda: encode_history(codec, config.clip, images))
    yield bench.row("encode", seconds, Grid.of(config.clip, config.codec).tokens)


@torch.no_grad()
def forward_rows(bench: Bench) -> Iterator[Row]:
    """One Video DiT forward on random latents, then the Action DiT with its steps; their sum."""
    config = bench.config
    model = random_model(config, bench.device, bench.dtype, codec=False)
    noise, grid = model.future_noise(bench.batch), model.grid
    history = noise[:, :, :1].expand(-1, -1, grid.history, -1, -1)
    features = {"ego": torch.rand(bench.batch, 8).to(noise)}
    shape = (config.planner.horizon, 3)
    plan_noise = scene_noise(shape, bench.batch, 0, model.normaliser.centre)
    states: list[Tensor] = []

    def imagine() -> None:
        states[:] = model.video_states(history, noise, features)

    def plan() -> None:
        memory = model.action_dit.cache(states)
        sample_plan(model.action_dit, memory, features["ego"], plan_noise, config.planner)

    first, second = bench.median(imagine), bench.median(plan)
    for name, seconds in (("video", first), ("planner", second), ("together", first + second)):
        yield bench.row(f"{name} forward", seconds, grid.tokens)


@torch.no_grad()
def plan_rows(bench: Bench) -> Iterator[Row]:
    """All steps of a plan, keys and values once and at every step, alternating."""
    config = bench.config
    with torch.device("meta"):
        built = cast(nn.Module, build_head(config.planner, config.video))
    dit = cast(PlannerHead, randomised(built, bench.device, bench.dtype))
    tokens = Grid.of(config.clip, config.codec).tokens
    generator = torch.Generator().manual_seed(0)
    states = [
        torch.randn(bench.batch, tokens, config.video.width, generator=generator).to(
            bench.device, bench.dtype
        )
        for _ in range(config.video.num_layers)
    ]
    ego = torch.rand(bench.batch, 8).to(states[0])
    like = torch.zeros(1, device=bench.device)
    noise = scene_noise((config.planner.horizon, 3), bench.batch, 0, like)

    def once() -> Tensor:
        return sample_plan(dit, dit.cache(states), ego, noise, config.planner)

    def recomputed() -> Tensor:
        return plan_by_fresh_memories(dit, states, ego, noise, config.planner)

    if not torch.equal(once(), recomputed()):
        raise ConfigError("the two ways to plan disagree", "this is a fault of ReWorld: report it")
    times = [(bench.timed(once), bench.timed(recomputed)) for _ in range(bench.repeats)]
    steps = config.planner.steps
    for name, index in ((f"{steps} steps, K/V once", 0), (f"{steps} steps, K/V each step", 1)):
        yield bench.row(name, statistics.median(pair[index] for pair in times), tokens)


def stage_rows(bench: Bench) -> Iterator[Row]:
    """One optimiser step of each stage at the batch asked for: forward, backward, AdamW."""
    for name in STAGES:
        stage = load_stage(name, bench.config.recipe, bench.config.name)
        config = bench.config
        if stage.needs_future_images:
            config = dataclasses.replace(config, clip=config.world_clip)
        if bench.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        step = training_step(bench, config, stage)
        seconds = bench.median(step)
        tokens = Grid.of(config.clip, config.codec).tokens
        yield bench.row(f"stage {name} step", seconds, tokens)


def training_step(bench: Bench, config: ModelConfig, stage: TrainingStage) -> Callable[[], None]:
    """A function that makes one step of a stage, float32 weights, under autocast to the dtype."""
    model = random_model(config, bench.device, torch.float32)
    set_trainable(model, stage)
    model.video_dit.enable_gradient_checkpointing()
    optimizer = build_optimizers(model, stage)["optimizer"]
    features, targets = random_batch(config, bench.batch)
    half = bench.dtype != torch.float32

    def step() -> None:
        with torch.autocast(bench.device, bench.dtype) if half else nullcontext():
            loss, _ = stage_loss(model, stage, features, targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


_ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "encode": encode_rows,
    "forward": forward_rows,
    "plan": plan_rows,
    "stages": stage_rows,
}


def measure(bench: Bench, parts: Sequence[str] = PARTS) -> pd.DataFrame:
    """The rows of all parts asked for."""
    rows = [row for part in parts for row in tqdm(_ROWS[part](bench), desc=part)]
    return pd.DataFrame(rows)
