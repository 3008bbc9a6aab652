"""What a training step keeps on a device, counted without one: the step runs on fake tensors.

Fake tensors have a shape and a device, and no memory. DDP keeps what one process keeps, since
gradients are exchanged where they lie; FSDP2 is run as one of its processes, among which nothing is
sent.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from lightning.fabric.plugins.environments import ClusterEnvironment
from lightning.pytorch import Callback
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._pytree import tree_leaves

from reworld_agent.training.loop.ema import averages
from reworld_agent.training.loop.parallel import ShardedStrategy
from reworld_agent.training.memory.step import StepPlan, run_steps, step_module
from reworld_agent.training.memory.tracker import MemoryTracker
from reworld_agent.training.settings import FSDP2

GB = 1e9
_NEVER = 10**9
_counted: dict[str, StepMemory] = {}


@dataclass(frozen=True)
class StepMemory:
    """Bytes on one device.

    Attributes:
        weights: before a forward: weights, gradients, moments, averages.
        saved: beside them when the way back begins.
        peaks: the most in each part of a step.
    """

    weights: float
    saved: float
    peaks: dict[str, float]

    @property
    def total(self) -> float:
        """The most in a step; at least what lives when the way back begins."""
        return max(self.weights + self.saved, *self.peaks.values())

    def along(self, other: StepMemory, way: float) -> StepMemory:
        """On the straight line through this (0) and another (1)."""
        peaks = {
            name: value + way * (other.peaks[name] - value) for name, value in self.peaks.items()
        }
        weights = self.weights + way * (other.weights - self.weights)
        return StepMemory(weights, self.saved + way * (other.saved - self.saved), peaks)


def step_memory(plan: StepPlan) -> StepMemory:
    """What a step of a plan keeps; counted once in a process.

    Blocks are alike: those of a deep model are counted by two shallow ones, of each part of a step.
    """
    key = repr(plan)
    if key not in _counted:
        _counted[key] = _by_depth(plan)
    return _counted[key]


def _by_depth(plan: StepPlan) -> StepMemory:
    depth, unit = plan.config.video.num_layers, max(2, plan.fit.every)
    if depth <= 2 * unit:
        return run_counted(plan)
    first, second = (run_counted(shallow(plan, layers)) for layers in (unit, 2 * unit))
    return first.along(second, (depth - unit) / unit)


def shallow(plan: StepPlan, layers: int) -> StepPlan:
    """The same plan with fewer blocks; what hangs on one block hangs on the first."""
    config, stage = plan.config, plan.stage
    video = dataclasses.replace(
        config.video, num_layers=layers, mid_blocks=config.video.mid_blocks and (1,)
    )
    planner = dataclasses.replace(
        config.planner, projected_blocks=config.planner.projected_blocks and (1,)
    )
    config = dataclasses.replace(config, video=video, planner=planner)
    stage = dataclasses.replace(stage, align_blocks=stage.align_blocks and (1,))
    return plan.replaced(config=config, stage=stage)


def run_counted(plan: StepPlan, fake: bool = True) -> StepMemory:
    """What a step keeps, at the full depth; on real tensors where they are not to be fake."""
    sharded = plan.strategy == FSDP2
    tracker, mode = MemoryTracker(), FakeTensorMode() if fake else contextlib.nullcontext()
    with _silent(), _processes(plan.processes if sharded else 0), mode, tracker:
        with _plain_moves():
            module = step_module(plan)
        module.finite.lag = _NEVER  # numbers that there are not
        module.fused = True  # as on CUDA
        module.optimizer_zero_grad = _keep_gradients  # type: ignore[method-assign,assignment]
        # they are where they are
        module._apply = lambda *_: module  # type: ignore[method-assign]
        watch = _Watch(tracker)
        callbacks: list[Callback] = [_OnlySteps(c) for c in averages(module.model, plan.stage)]
        module.model.video_dit.register_forward_pre_hook(lambda *_: tracker.phase("forward"))
        more: dict[str, Any] = {}
        if sharded:
            more["strategy"] = _FakeSharded(plan.processes, plan.processes)
            more |= {"devices": plan.processes, "plugins": [_Environment(plan.processes)]}
        run_steps(plan, module, 1, [*callbacks, watch], **more)
    peaks = {k: float(v) for k, v in tracker.peaks.items() if k != "start"}
    return StepMemory(watch.weights, watch.saved, peaks)


def _keep_gradients(*_: Any) -> None:
    """Nothing: gradients of earlier forwards stay, as in the later ones of a step of several."""


class _Watch(Callback):
    """Notes what lives at the turns of a step, the optimiser's moments and gradients among it."""

    def __init__(self, tracker: MemoryTracker) -> None:
        super().__init__()
        self.tracker, self.weights, self.saved = tracker, 0.0, 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        for parameter in pl_module.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        optimizer = trainer.optimizers[0]
        optimizer.step()  # makes the moments

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *batch: Any) -> None:
        scenes = sum(one.nbytes for one in tree_leaves(batch) if isinstance(one, torch.Tensor))
        self.weights = float(self.tracker.live - scenes)
        self.tracker.peaks.clear()
        self.tracker.phase("encode")

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        self.saved = self.tracker.live - self.weights
        self.tracker.phase("backward")

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        self.tracker.phase("optimiser")

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *batch: Any) -> None:
        pl_module.finite.drop()


class _OnlySteps(Callback):
    """Another callback's hooks of a step, without what it does at the end."""

    def __init__(self, other: Callback) -> None:
        super().__init__()
        self.on_train_start = other.on_train_start  # type: ignore[method-assign]
        self.on_train_batch_end = other.on_train_batch_end  # type: ignore[method-assign]


class _FakeSharded(ShardedStrategy):
    """FSDP2 among processes that there are not."""

    def setup_environment(self) -> None:
        with unset_fake_temporarily():  # ranks are real numbers
            super().setup_environment()


class _Environment(ClusterEnvironment):
    """The first of so many processes, whoever started this one."""

    creates_processes_externally = True
    main_address, main_port = "localhost", 0

    def __init__(self, processes: int) -> None:
        self.processes = processes

    @staticmethod
    def detect() -> bool:
        return True

    def world_size(self) -> int:
        return self.processes

    def set_world_size(self, size: int) -> None:
        pass

    def global_rank(self) -> int:
        return 0

    def set_global_rank(self, rank: int) -> None:
        pass

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return 0


@contextlib.contextmanager
def _processes(count: int) -> Iterator[None]:
    """A group of processes that send nothing; none where 0 are asked for."""
    if not count:
        yield
        return
    torch.distributed.init_process_group("fake", rank=0, world_size=count, store=FakeStore())
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


@contextlib.contextmanager
def _plain_moves() -> Iterator[None]:
    """Let `Module.to` put new parameters in the place of old ones; peft moves its adapters so.

    torch exchanges what is inside of fake ones, and fails where anything has a weak reference to
    them, as its own cache of fake operations has at times.
    """
    usual = nn.Module._apply

    def replaced(module: nn.Module, function: Any, recurse: bool = True) -> nn.Module:
        """`Module._apply`, with new parameters."""
        for child in module.children() if recurse else ():
            child._apply(function)
        for name, parameter in module._parameters.items():
            if parameter is not None:
                moved = function(parameter.detach())
                module._parameters[name] = nn.Parameter(moved, parameter.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = function(buffer)
        return module

    nn.Module._apply = replaced  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module._apply = usual  # type: ignore[method-assign]


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without what Lightning says of a run, which this is none."""
    known = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in known]
    for logger in known:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(known, levels, strict=True):
            logger.setLevel(level)
