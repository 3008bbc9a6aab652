"""The tables and the figure of the paper that compare ways to train the video half.

representations: Table 2. blocks: Table 5. gamma: Table 6. convergence: Fig. 2b.
Each gives one row a run (parquet, csv) and a figure with mean and spread over the seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from reworld_agent.benchmarks.table2.judging import Judge, Row
from reworld_agent.benchmarks.table2.runs import train_run
from reworld_agent.config.fields import blocks_within
from reworld_agent.core.errors import ConfigError
from reworld_agent.objectives.baselines import REPRESENTATIONS
from reworld_agent.objectives.baselines.reworld import ReWorld
from reworld_agent.training.datasets.held_out import spread
from reworld_agent.training.table2.build import Clips, RunSettings
from reworld_agent.training.table2.module import WorldModule
from reworld_agent.training.table2_protocol import Protocol

GAMMAS = (1.0, 1.2, 1.4, 1.6, 1.8)
BLOCKS = (2, 8, 12, 16, 20)  # of 28, in Table 5
FEW_BLOCKS = 8  # a DiT of no more is tried at all of them


@dataclass(frozen=True)
class Sweep:
    """A sweep: protocol, clips, folder, seeds, and whether futures are imagined and judged.

    Attributes:
        protocol, clips: what all runs share.
        folder: runs and tables; a sweep that was stopped goes on there.
        seeds: of the runs.
        imagined: validation clips whose future is imagined for FVD and PSNR; 0 = none.
        steps: Euler steps of the sampler.
        encoders: folders of the frozen encoders by representation.
        methods: that Table 2 compares.
        blocks: that Table 5 compares; empty = the paper's, or all of a small model.
        workers: processes that decode training clips.
        trainer: for Lightning's Trainer.
    """

    protocol: Protocol
    clips: Clips
    folder: Path
    seeds: Sequence[int] = (0, 1, 2)
    imagined: int = 0
    steps: int = 30
    encoders: dict[str, str] | None = None
    methods: Sequence[str] = REPRESENTATIONS
    blocks: Sequence[int] = ()
    workers: int = 0
    trainer: dict[str, Any] | None = None

    def train(self, settings: RunSettings) -> tuple[WorldModule, pd.DataFrame]:
        """One run."""
        folder = self.folder / "runs"
        return train_run(
            self.protocol,
            settings,
            self.clips,
            folder,
            workers=self.workers,
            trainer=self.trainer,
        )

    def settings(self, method: str, seed: int, **more: Any) -> RunSettings:
        """A run's settings, with the folder of its encoder."""
        return RunSettings(method, seed, encoder=(self.encoders or {}).get(method), **more)

    def judge(self, module: WorldModule, settings: RunSettings, gamma: float = 1.0) -> Row:
        """FVD and PSNR of imagined futures; empty where none are asked for."""
        return self._judge.row(module, settings.label, gamma) if self.imagined else {}

    @cached_property
    def _judge(self) -> Judge:
        clips, history = self.clips.validation, self.protocol.clip.history_frames
        chosen = clips[spread(len(clips), self.imagined)]  # neighbours show the same drive
        return Judge(chosen, history, self.folder, self.steps)


def representations(sweep: Sweep) -> Iterator[Row]:
    """Every method with equal budget; one row a method and seed."""
    for seed in sweep.seeds:
        for name in sweep.methods:
            settings = sweep.settings(name, seed)
            module, curve = sweep.train(settings)
            yield {"method": name, **_end(curve), "seed": seed, **sweep.judge(module, settings)}


def blocks(sweep: Sweep) -> Iterator[Row]:
    """ReWorld with its head after one block or another; 0 = no head."""
    shape = sweep.protocol.shape
    usual = ReWorld(shape).mid_blocks  # this run is one of Table 2 too
    every = range(1, shape.depth) if shape.depth <= FEW_BLOCKS else map(shape.block, BLOCKS)
    tried = tuple(sweep.blocks or every)
    blocks_within("blocks", tried, shape.depth)
    for seed in sweep.seeds:
        _, curve = sweep.train(sweep.settings("vanilla", seed))
        yield {"block": 0, **_end(curve), "seed": seed}
        for block in tried:
            chosen = () if (block,) == usual else (block,)
            settings = sweep.settings("reworld", seed, mid_blocks=chosen)
            found, curve = sweep.train(settings)
            yield {"block": block, **_end(curve), "seed": seed, **sweep.judge(found, settings)}


def check_imagined(count: int) -> None:
    """Raise ConfigError where self-guidance would have no futures to be judged by."""
    if not count:
        raise ConfigError("sweep=gamma judges imagined futures", "say imagined=64, or more")


def gamma(sweep: Sweep, gammas: Sequence[float] = GAMMAS) -> Iterator[Row]:
    """Self-guidance of trained ReWorld models."""
    check_imagined(sweep.imagined)
    for seed in sweep.seeds:
        settings = sweep.settings("reworld", seed)
        module, _ = sweep.train(settings)
        for value in gammas:
            yield {"gamma": value, "seed": seed, **sweep.judge(module, settings, value)}


def convergence(sweep: Sweep) -> Iterator[Row]:
    """Vanilla and ReWorld on the way; one row a point of their curves."""
    for seed in sweep.seeds:
        for name in ("vanilla", "reworld"):
            _, curve = sweep.train(sweep.settings(name, seed))
            for row in curve.to_dict("records"):
                yield {"method": name, "seed": seed, **{str(k): v for k, v in row.items()}}


SWEEPS: dict[str, tuple[Callable[[Sweep], Iterator[Row]], str, str]] = {
    "representations": (representations, "method", "velocity_error"),
    "blocks": (blocks, "block", "velocity_error"),
    "gamma": (gamma, "gamma", "fvd"),
    "convergence": (convergence, "step", "velocity_error"),
}


def _end(curve: pd.DataFrame) -> Row:
    last = curve.iloc[-1]
    return {"velocity_error": last["velocity_error"], "step": last["step"]}


def run_sweep(name: str, sweep: Sweep) -> pd.DataFrame:
    """All rows of a sweep; ConfigError for an unknown one."""
    if name not in SWEEPS:
        raise ConfigError(f"sweep={name} does not exist", "use " + " | ".join(SWEEPS))
    return pd.DataFrame(list(tqdm(SWEEPS[name][0](sweep), desc=name, unit=" rows")))


def summary(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over the seeds, by what the sweep varies."""
    keys = ["method", "step"] if name == "convergence" else [SWEEPS[name][1]]
    measured = [c for c in ("velocity_error", "fvd", "psnr_db") if c in table]
    grouped = table.groupby(keys, sort=False)[measured]
    found = grouped.agg(["mean", "std"])
    found.columns = ["_".join(column) for column in found.columns.to_flat_index()]
    return found.assign(seeds=grouped.size()).reset_index()
