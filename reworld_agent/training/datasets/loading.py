"""The order of the samples: a function of seed and position, so that a resumed run repeats it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, cast

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Sampler

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.guards.parents import begin_loading
from reworld_agent.training.datasets.held_out import HeldOutSampler
from reworld_agent.training.datasets.scene_arrays import Sample
from reworld_agent.training.phases import ClipPhase, phase_number


class Samples(Protocol):
    """A data set of known length: features, targets, and the token or the clip's name."""

    def __len__(self) -> int:
        """Scenes or clips."""

    def __getitem__(self, number: int) -> Sample:
        """One of them."""


@dataclass(frozen=True)
class BatchPlan:
    """Batches of a run.

    Attributes:
        per_process: scenes of one process in one forward.
        accumulate: forwards per optimiser step.
        steps: optimiser steps of the whole run.
        done: of them, those that a resumed run has behind it.
    """

    per_process: int
    accumulate: int
    steps: int
    done: int = 0


@dataclass(frozen=True)
class Loading:
    """How a process loads its batches; in which order does not depend on it.

    Attributes:
        workers: processes that load for it; 0 = it does so itself.
        pinned: batches lie where CUDA copies from without waiting.
    """

    workers: int = 0
    pinned: bool = False

    def batches(self, samples: Any, size: int, order: Sampler[int]) -> DataLoader[Any]:
        """A loader of batches of `size` of the samples, in an order."""
        return DataLoader(
            *(samples, size),
            sampler=order,
            num_workers=self.workers,
            pin_memory=self.pinned,
            worker_init_fn=begin_loading,
        )


class SampleStream(Sampler[int]):
    """Shuffled passes over a data set, one after the other, of which a process takes its share.

    Its length is that of the whole run, wherever it starts: Lightning counts from there. Where the
    samples change with the phase of a curriculum, `phase_at` gives the phase (from 0) of a
    position, and sample n of phase p has the number p * length + n.
    """

    def __init__(
        self,
        length: int,
        total: int,
        seed: int,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        phase_at: Callable[[int], int] | None = None,
    ) -> None:
        self.length, self.total, self.seed = length, total, seed
        self.start, self.rank, self.world = start, rank, world
        self.phase_at = phase_at or (lambda position: 0)

    def __len__(self) -> int:
        return self.total // self.world

    def __iter__(self) -> Iterator[int]:
        order, current = torch.empty(0), -1
        for position in range(self.start + self.rank, self.total, self.world):
            turn, place = divmod(position, self.length)
            if turn != current:
                generator = torch.Generator().manual_seed(self.seed * 1_000_003 + turn)
                order, current = torch.randperm(self.length, generator=generator), turn
            yield self.phase_at(position) * self.length + int(order[place])


class StepBatches:
    """Batches of a loader; those of one optimiser step know how many negatives it has.

    Eq. 18 divides by the scenes of the whole batch that have a hard negative. Where a step takes
    several forwards, `hard_negative_count` is the mean of their numbers: the batches of one step
    are read before the first is learned from.

    Args:
        loader: of targets with `hard_negative_valid`; others pass as they are.
        accumulate: forwards of a step.
    """

    def __init__(self, loader: DataLoader[tuple[Any, ...]], accumulate: int) -> None:
        self.loader, self.accumulate = loader, accumulate

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.loader)
        while step := list(islice(batches, self.accumulate)):
            valid = [batch[1].get("hard_negative_valid") for batch in step]
            if all(one is not None for one in valid):
                count = torch.stack([one.sum() for one in valid]).float().mean()
                for batch in step:
                    batch[1]["hard_negative_count"] = count
            yield from step


class StageData(LightningDataModule):
    """Loads the batches of a run in every process.

    Args:
        dataset: the scenes or clips, or video states of scenes.
        plan: the batches.
        seed: of the order.
        loading: processes that load.
        phases: of a curriculum for each of which the data sets have their own samples.
        held_out: what the run is validated on; None = nothing.
        count: samples of it that are, spread evenly.
        val_batch: of one forward in validation; None = as in training.
    """

    def __init__(
        self,
        dataset: Samples,
        plan: BatchPlan,
        seed: int,
        loading: Loading | None = None,
        phases: Sequence[ClipPhase] = (),
        held_out: Samples | None = None,
        count: int = 256,
        val_batch: int | None = None,
    ) -> None:
        super().__init__()
        if len(dataset) < plan.per_process:
            message = f"the split has {len(dataset)} scenes, a batch has {plan.per_process}"
            raise ConfigError(message, f"use dataloader.params.batch_size={len(dataset)} or fewer")
        self.dataset, self.plan, self.seed = dataset, plan, seed
        self.loading = loading or Loading()
        self.phases, self.held_out, self.count = phases, held_out, count
        self.val_batch = val_batch or plan.per_process

    def train_dataloader(self) -> DataLoader[tuple[Any, ...]] | StepBatches:
        """The batches of this process, from where the run stands."""
        trainer, plan = self.trainer, self.plan
        world, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
        step = plan.per_process * plan.accumulate * world
        stream = SampleStream(
            len(self.dataset),
            plan.steps * step,
            self.seed,
            plan.done * step,
            rank,
            world,
            lambda position: phase_number(self.phases, position // step, plan.steps),
        )
        samples: Any = self.dataset
        loader = self.loading.batches(samples, plan.per_process, stream)
        return loader if plan.accumulate == 1 else StepBatches(loader, plan.accumulate)

    def val_dataloader(self) -> DataLoader[tuple[Any, ...]] | list[Any]:
        """This process's share of the held-out samples, in the phase that training is in."""
        if self.held_out is None:
            return []
        trainer, plan, samples = self.trainer, self.plan, cast(Any, self.held_out)
        world, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
        chosen = HeldOutSampler(
            len(self.held_out),
            self.count,
            rank,
            world,
            lambda: phase_number(self.phases, trainer.global_step if trainer else 0, plan.steps),
        )
        return self.loading.batches(samples, self.val_batch, chosen)
