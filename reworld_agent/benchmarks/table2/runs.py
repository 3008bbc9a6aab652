"""One training run under the protocol, kept in a folder so that a sweep can go on after a stop."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.records import read_record, write_record
from reworld_agent.core.result_tables import read_frame, write_parquet
from reworld_agent.model.weights_folder import read_tensors
from reworld_agent.training.loop import engine
from reworld_agent.training.table2.build import (
    WEIGHTS,
    Clips,
    RunSettings,
    build_module,
    keep_averaged,
)
from reworld_agent.training.table2.module import WorldModule
from reworld_agent.training.table2.velocity import velocity_error
from reworld_agent.training.table2_protocol import Protocol

CURVE, RECORD = "curve.parquet", "run.json"
_AGAIN = "delete its folder: the run is then made again"


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
        module.averaged.load_state_dict(read_tensors(home / WEIGHTS))
        return module.eval(), read_frame(home / CURVE, _AGAIN)
    curve = _Curve(clips.validation, max(1, protocol.steps // points))
    lightning = build_trainer(protocol, trainer, [curve, TQDMProgressBar(refresh_rate=20)])
    batches = _loader(protocol, settings.seed, clips.train, workers)
    engine.fit(lightning, module, train_dataloaders=batches)
    table = pd.DataFrame(curve.rows)
    keep_averaged(module, home)
    write_parquet(home / CURVE, table, {"run": asdict(settings), "protocol": asdict(protocol)})
    write_record(home / RECORD, {"stamp": stamp, **asdict(settings)})
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
    about = [asdict(protocol), asdict(settings), len(clips.train), *([trainer] if trainer else [])]
    digest = hashlib.sha256(json.dumps(about).encode())
    digest.update(clips.validation[:4].numpy().tobytes())
    return digest.hexdigest()[:16]


def _finished(home: Path, stamp: str) -> bool:
    record = home / RECORD
    if not record.is_file():
        return False
    found: dict[str, Any] = read_record(record, dict[str, Any], _AGAIN)
    if found.get("stamp") != stamp:
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
