"""What every training takes: split, folder, batches, validation, Lightning's arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import rest, section
from reworld_agent.core.settings import MOST_WORKERS, Settings, as_text, setting
from reworld_agent.core.signatures import argument_names
from reworld_agent.scenes.split_settings import SplitSettings

_TRAINER = "lightning.pytorch.trainer.trainer.Trainer"
_NO_LIMIT = -1  # as Lightning writes it
FSDP2, HSDP = "fsdp2", "hsdp"
_SHARED = re.compile(rf"{HSDP}(?::([1-9][0-9]*))?")  # by how many processes, where it is said
AUTO_PRECISION, PLAIN = "auto", "32-true"
_MOST_DEVICES = 1024
_RUN, _BATCHES, _LIGHTNING = "the run", "batches", "Lightning's Trainer, with all its arguments"
_VALIDATION = "validation: losses, ADE and FDE of what is not learned from"


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _devices(value: Any) -> Any:
    """A number of devices, `auto`, or their numbers, as Lightning takes them."""
    if value == "auto":
        return value
    many = isinstance(value, list | tuple)
    numbers = [int(n) if isinstance(n, str) and n.isdecimal() else n for n in _listed(value)]
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in numbers)
    if numbers and whole and all(0 <= n < _MOST_DEVICES for n in numbers):
        if many:
            return tuple(numbers)
        if numbers[0] > 0:
            return numbers[0]
    if numbers == [-1] and whole:  # all that are there
        return -1
    message = f"trainer.params.devices={as_text(value)} must be a number, auto or a list of numbers"
    raise UsageError(message, "the default is trainer.params.devices=1")


@dataclass(frozen=True, kw_only=True)
class LightningSettings(Settings, prefix="trainer.params"):
    """Arguments of Lightning's Trainer; those without a field of their own are in `more`.

    Raises:
        UsageError: a value that cannot be, or a name that Lightning's Trainer does not have.
    """

    max_steps: int = setting(
        "optimiser steps; -1 = the stage's own", _NO_LIMIT, least=_NO_LIMIT, group=_LIGHTNING
    )
    max_epochs: int | None = setting(
        "passes over the data at most", None, least=_NO_LIMIT, group=_LIGHTNING
    )
    accelerator: str = setting("auto, cpu, gpu ...", "auto", group=_LIGHTNING)
    devices: Any = setting(
        "processes: a number, auto, or devices [0,1]", 1, read=_devices, group=_LIGHTNING
    )
    num_nodes: int = setting("machines", 1, least=1, group=_LIGHTNING)
    precision: str = setting(
        "32-true, bf16-mixed (float32 weights), bf16-true (bfloat16 weights) ...; auto: bf16-mixed "
        "for a Video DiT of 1024 channels or more, else 32-true",
        AUTO_PRECISION,
        group=_LIGHTNING,
    )
    strategy: str = setting(
        f"auto, ddp, {FSDP2} ...; {HSDP}: sharded in a machine, copied across machines; {HSDP}:4: "
        "sharded by each 4 processes",
        "auto",
        group=_LIGHTNING,
    )
    gradient_clip_val: float | None = setting(
        "norm; null = the stage's own", None, least=0, group=_LIGHTNING
    )
    more: Mapping[str, Any] = rest(lambda: argument_names(_TRAINER))

    def check(self) -> None:
        """Raise UsageError for a limit of 0, which ends a training before its first step."""
        for name in ("max_steps", "max_epochs"):
            if getattr(self, name) == 0:
                hint = f"leave {self.prefix}.{name}= out"
                raise UsageError(f"{self.prefix}.{name}=0 must be 1 or more, or -1", hint)
        if self.strategy.startswith(HSDP) and not _SHARED.fullmatch(self.strategy):
            message = f"{self.prefix}.strategy={self.strategy} must be {HSDP} or {HSDP}:N"
            raise UsageError(message, f"{HSDP}:4 shards the weights by each 4 processes")

    @property
    def sharded(self) -> bool:
        """Whether a process keeps but a share of the weights."""
        return self.strategy == FSDP2 or self.strategy.startswith(HSDP)

    def shard_group(self, processes: int) -> int:
        """Processes that share one copy of the weights, of `processes` of the run.

        Raises:
            UsageError: they cannot be shared out to such groups.
        """
        found = _SHARED.fullmatch(self.strategy)
        if found is None:
            return processes if self.sharded else 1
        each = int(found[1] or processes // self.num_nodes)
        if not each or processes % each:
            message = f"{self.prefix}.strategy={self.strategy} with {processes} processes"
            raise UsageError(message, f"{HSDP}:N needs an N that divides {processes}")
        return each

    @property
    def steps(self) -> int | None:
        """`max_steps` where it is a limit."""
        return self.max_steps if self.max_steps > 0 else None

    @property
    def epochs(self) -> int | None:
        """`max_epochs` where it is a limit."""
        return self.max_epochs if self.max_epochs and self.max_epochs > 0 else None

    def arguments(self) -> dict[str, Any]:
        """All of them as keyword arguments."""
        devices = list(self.devices) if isinstance(self.devices, tuple) else self.devices
        return {
            "accelerator": self.accelerator,
            "devices": devices,
            "num_nodes": self.num_nodes,
            "precision": PLAIN if self.precision == AUTO_PRECISION else self.precision,
            "strategy": self.strategy,
            "gradient_clip_val": self.gradient_clip_val,
            **self.more,
        }


@dataclass(frozen=True, kw_only=True)
class LoaderSettings(Settings, prefix="dataloader.params"):
    """How batches are loaded."""

    batch_size: int | None = setting(
        "scenes of one process in one forward; null = its share of the batch",
        None,
        least=1,
        group=_BATCHES,
    )
    num_workers: int | None = setting(
        "processes that load; null = none on the CPU, which they would take from the model; on "
        "CUDA 8, or this process's share of the cores",
        None,
        least=0,
        cap=MOST_WORKERS,
        group=_BATCHES,
    )
    pin_memory: bool | None = setting(
        "batches lie where CUDA copies from without waiting; null = on CUDA", None, group=_BATCHES
    )


@dataclass(frozen=True, kw_only=True)
class ValidationSettings(Settings, prefix="validation"):
    """What a run is validated on, and how often.

    Raises:
        UsageError: a value that cannot be.
    """

    every: int = setting(
        "optimiser steps from one validation to the next, about; 0 = none",
        500,
        least=0,
        group=_VALIDATION,
    )
    samples: int = setting(
        "scenes or clips at most, spread evenly", 256, least=1, group=_VALIDATION
    )
    split: str | None = setting(
        "data split, or split of an index; null = town_val beside town_train, val of an index",
        None,
        group=_VALIDATION,
    )
    hold_out: float = setting(
        "share of the training scenes' logs that is kept for validation, such as 0.05",
        0.0,
        least=0,
        group=_VALIDATION,
    )

    def check(self) -> None:
        """See the class."""
        share = f"validation.hold_out={self.hold_out:g}"
        if self.hold_out >= 1:
            raise UsageError(f"{share} must be below 1", "it is a share of the logs, such as 0.05")
        if self.split and self.hold_out:
            message = f"validation.split={self.split} together with {share}"
            raise UsageError(message, "scenes of another split need no hold_out=: leave one out")

    def check_clips(self) -> None:
        """Raise UsageError for a share of logs, which clips do not have."""
        if self.hold_out:
            message = f"validation.hold_out={self.hold_out:g} on clips"
            raise UsageError(message, "an index has splits: use validation.split=val")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """The settings of a training, whatever it trains.

    Attributes:
        output_dir: of checkpoints, weights, tables and TensorBoard.
        checkpoint_steps: a run that was cut short goes on from the last multiple of it.
    """

    train_test_split: SplitSettings = section(SplitSettings)
    output_dir: Path = setting(
        "folder of the run; an unfinished run in it goes on",
        writes="folder",
        makes=("weights", "checkpoints", "initial", "agent.ckpt"),
        group=_RUN,
    )
    experiment_name: str = setting("of the default output_dir", "training", group=_RUN)
    seed: int = setting(
        "of weights, order, times and noise", 42, least=0, most=2**32 - 1, group=_RUN
    )
    checkpoint_steps: int = setting("optimiser steps between checkpoints", 500, least=1, group=_RUN)
    resume: bool = setting("go on with an unfinished run in the same output_dir", True, group=_RUN)
    cache_path: Path | None = setting(
        "decoded frames and targets; null = ~/.cache/reworld/training", None, group=_RUN
    )
    validation: ValidationSettings = section(ValidationSettings)
    dataloader: LoaderSettings = section(LoaderSettings)
    trainer: LightningSettings = section(LightningSettings)
