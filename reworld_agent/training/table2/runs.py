"""One training run under the protocol, kept in a folder so that a sweep can go on after a stop."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.result_tables import write_parquet
from reworld_agent.objectives.baselines import build_representation
from reworld_agent.objectives.baselines.reworld import ReWorld
from reworld_agent.training import engine
from reworld_agent.training.table2.data import FIT_CLIPS, drawn
from reworld_agent.training.table2.evaluate import velocity_error
from reworld_agent.training.table2.module import WorldModule
from reworld_agent.training.table2.protocol import Protocol

CURVE, WEIGHTS, RECORD = "curve.parquet", "averaged.safetensors", "run.json"


@dataclass(frozen=True)
class RunSettings:
    """What tells one run of a sweep from another.

    Attributes:
        method: one of REPRESENTATIONS.
        seed: of initial weights, order of clips, times and noise.
        mid_blocks: blocks (from 1) with a velocity head, for ReWorld; empty = the default.
        weight: factor of the extra loss; None = the method's own.
        encoder: folder of the frozen encoder's weights; None = random.
    """

    method: str
    seed: int
    mid_blocks: tuple[int, ...] = ()
    weight: float | None = None
    encoder: str | None = None

    @property
    def label(self) -> str:
        """Name of the run's folder."""
        blocks = "".join(f"_b{block}" for block in self.mid_blocks)
        weight = "" if self.weight is None else f"_w{self.weight:g}"
        return f"{self.method}{blocks}{weight}_seed{self.seed}"


@dataclass(frozen=True)
class Clips:
    """Clips of a sweep: uint8 [M, T, 3, H, W] each; `train` may be a dataset of [T, 3, H, W]."""

    train: Any
    validation: Tensor
    codec: Any


def build_module(
    protocol: Protocol,
    settings: RunSettings,
    clips: Clips,
    kind: type[WorldModule] = WorldModule,
) -> WorldModule:
    """The module of a run, before its first step; `kind` says how it takes its batches."""
    torch.manual_seed(settings.seed)
    method = build_representation(
        settings.method, protocol.shape, settings.encoder, protocol.small_encoders
    )
    if settings.mid_blocks:
        if not isinstance(method, ReWorld):
            raise ConfigError(f"mid_blocks of {settings.method}", "only reworld has mid blocks")
        method.mid_blocks = settings.mid_blocks
    if settings.weight is not None:
        method.weight = settings.weight
    method.fit(_fitting(clips.train), protocol.grid)
    return kind(protocol, method, clips.codec, settings.seed)


def _fitting(clips: Any) -> Iterator[Tensor]:
    """Some training clips in parts [B, T, 3, H, W]; none is decoded before it is asked for."""
    yield from drawn(clips, FIT_CLIPS).split(32)


def train_run(
    protocol: Protocol,
    settings: RunSettings,
    clips: Clips,
    folder: Path,
    points: int = 10,
    workers: int = 0,
    trainer: dict[str, Any] | None = None,
) -> tuple[WorldModule, pd.DataFrame]:
    """Train, or read what an earlier call trained.

    Args:
        protocol, settings, clips: what is trained.
        folder: of the sweep; the run lies in `<folder>/<label>`.
        points: evaluations on the way (the convergence curve).
        workers: processes that decode clips which are not in memory.
        trainer: for Lightning's Trainer (accelerator, devices, strategy, precision).

    Returns:
        The module in evaluation mode, and its curve: step, velocity_error, train_loss, seconds.
    """
    home = folder / settings.label
    check_count(protocol, len(clips.train))
    stamp = _fingerprint(protocol, settings, clips, trainer)
    module = build_module(protocol, settings, clips)
    if _finished(home, stamp):
        module.averaged.load_state_dict(load_file(home / WEIGHTS))
        return module.eval(), pd.read_parquet(home / CURVE)
    curve = _Curve(clips.validation, max(1, protocol.steps // points))
    lightning = build_trainer(protocol, trainer, [curve, TQDMProgressBar(refresh_rate=20)])
    batches = _loader(protocol, settings.seed, clips.train, workers)
    engine.fit(lightning, module, train_dataloaders=batches)
    table = pd.DataFrame(curve.rows)
    keep_averaged(module, home)
    write_parquet(home / CURVE, table, {"run": asdict(settings), "protocol": asdict(protocol)})
    record = json.dumps({"stamp": stamp, **asdict(settings)}, indent=2)
    write_atomically(home / RECORD, lambda path: path.write_text(record, encoding="utf-8"))
    return module.eval(), table


def check_count(protocol: Protocol, count: int) -> None:
    """Raise ConfigError for fewer training clips than one batch has."""
    if count < protocol.batch_size:
        message = f"there are {count} training clips, a batch has {protocol.batch_size}"
        raise ConfigError(message, "use more: a larger index, or a larger limit=")


def build_trainer(
    protocol: Protocol, given: dict[str, Any] | None = None, callbacks: Sequence[Callback] = ()
) -> pl.Trainer:
    """Lightning's Trainer of a run; ConfigError for settings that it refuses."""
    return engine.lightning_trainer(
        {"accelerator": "auto", "devices": 1, **(given or {})},
        where=", ".join(f"{key}={value}" for key, value in (given or {}).items()),
        max_steps=protocol.steps,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        gradient_clip_val=protocol.gradient_clip,
        callbacks=list(callbacks),
    )


def keep_averaged(module: WorldModule, home: Path) -> None:
    """Write the averaged weights to a run's folder."""
    state = {key: value.contiguous().cpu() for key, value in module.averaged.state_dict().items()}
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(home / WEIGHTS, lambda path: save_file(state, path))


def _loader(protocol: Protocol, seed: int, clips: Any, workers: int) -> DataLoader[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sampler = RandomSampler(clips, generator=generator)
    workers = 0 if isinstance(clips, Tensor) else workers
    return DataLoader(
        clips,
        protocol.batch_size,
        sampler=sampler,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def _fingerprint(
    protocol: Protocol, settings: RunSettings, clips: Clips, trainer: dict[str, Any] | None
) -> str:
    """Changes with everything that the result depends on, the code apart."""
    told = [asdict(protocol), asdict(settings), len(clips.train), *([trainer] if trainer else [])]
    digest = hashlib.sha256(json.dumps(told).encode())
    digest.update(clips.validation[:4].numpy().tobytes())
    return digest.hexdigest()[:16]


def _finished(home: Path, stamp: str) -> bool:
    record = home / RECORD
    if not record.is_file():
        return False
    found = json.loads(record.read_text(encoding="utf-8")).get("stamp")
    if found != stamp:
        message = f"{home}: is a run of other settings"
        raise ConfigError(message, "choose another output_dir, or remove this one")
    return True


class _Curve(Callback):
    """Evaluates every so many steps."""

    def __init__(self, validation: Tensor, every: int) -> None:
        self.rows: list[dict[str, float]] = []
        self._validation, self._every, self._spent = validation, every, 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Evaluate where it is due; evaluation does not count as training time."""
        self._spent += time.perf_counter() - self._start
        if trainer.global_step % self._every:
            return
        assert isinstance(pl_module, WorldModule)
        pl_module.eval()
        error = velocity_error(pl_module, self._validation)
        pl_module.train()
        row = {"step": trainer.global_step, "velocity_error": error, "seconds": self._spent}
        self.rows.append({**row, "train_loss": float(outputs["loss"])})
