"""What the model costs, with random weights: one plan, keys and values once, steps of all stages.

Peak memory is the device's on CUDA; on the CPU it is the largest resident set of the process so
far, so that of a row that follows a larger one is that one's.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from reworld_agent.benchmarks.model.loop import plan_by_fresh_memories
from reworld_agent.benchmarks.model.settings import PARTS
from reworld_agent.benchmarks.model.steps import step_seconds
from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.guards.process_memory import peak_memory
from reworld_agent.model import ReWorldModel
from reworld_agent.planner.actions import ActionNormaliser
from reworld_agent.planner.heads import PlannerHead, build_head
from reworld_agent.planner.sampler import sample_plan, scene_noise
from reworld_agent.training.fit_settings import FitSettings
from reworld_agent.training.memory.step import StepPlan, made_up_batch, phases_of
from reworld_agent.training.stages import STAGES, load_stage
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
        checkpointing: of the blocks, in steps of training; see `FitSettings`.
    """

    config: ModelConfig
    device: str = "cpu"
    dtype: torch.dtype = torch.bfloat16
    batch: int = 1
    repeats: int = 5
    warm_up: bool = True
    checkpointing: str = "all"

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
        return peak_memory()

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


@torch.no_grad()
def encode_rows(bench: Bench) -> Iterator[Row]:
    """The codec's work for a plan: the history's images to latents."""
    config = bench.config
    with torch.device("meta"):
        built = cast(nn.Module, build_codec(config.codec))
    codec = cast(Codec, randomised(built, bench.device, bench.dtype))
    images = made_up_batch(config, config.clip, bench.batch)[0]["images"].to(bench.device)
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
    """One optimiser step of each stage, as Lightning makes it in a run, at the batch asked for."""
    fit = FitSettings(gradient_checkpointing=bench.checkpointing)
    precision = "32-true" if bench.dtype == torch.float32 else "bf16-mixed"
    config = bench.config
    fit.check_blocks(config.video.num_layers)
    for name in STAGES:
        stage = load_stage(name, config.recipe, config.name)
        phases = phases_of(stage, config)
        for number, phase in enumerate(phases, 1):
            if bench.device == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            plan = StepPlan(config, phase, fit, precision=precision, scenes=bench.batch)
            seconds = step_seconds(plan, bench.device, bench.repeats, bench.warm_up)
            tokens = Grid.of(plan.clip, config.codec).tokens
            called = f"stage {name} step" if len(phases) == 1 else f"stage {name}.{number} step"
            yield bench.row(called, seconds, tokens)


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
