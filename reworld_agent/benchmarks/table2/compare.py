"""What the methods of Table 2 cost, and how they compare."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from reworld_agent.benchmarks.table2 import figures
from reworld_agent.benchmarks.table2.costs import cost_table
from reworld_agent.benchmarks.table2.runs import build_trainer, check_count
from reworld_agent.benchmarks.table2.settings import COSTS, Table2Settings
from reworld_agent.benchmarks.table2.sweeps import Sweep, run_sweep, summary
from reworld_agent.clips.index import read_index
from reworld_agent.core.errors import UsageError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import blas_name, code_version
from reworld_agent.core.result_tables import write_with_twin
from reworld_agent.objectives.baselines import REPRESENTATIONS
from reworld_agent.training.loop import engine
from reworld_agent.training.table2.build import Clips
from reworld_agent.training.table2.data import (
    FrameClips,
    at_most,
    fitted_codec,
    held_out_clips,
    open_codec,
    town_index,
)
from reworld_agent.training.table2_protocol import Protocol, load_protocol

KEPT = "finished runs and judgements are kept; the same command goes on"


@dataclass(frozen=True)
class MethodTable:
    """Methods side by side.

    Attributes:
        table: a row a run.
        summary: mean and standard deviation over the seeds; of sweep=costs the table itself.
        file: the table as parquet.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    file: Path


@one_writer
def compare_methods(settings: Table2Settings) -> MethodTable:
    """Run a sweep; the table and its figure are written.

    Raises:
        UsageError: the device is not there.
        ConfigError, DataError, WeightsError: clips, codec or encoders cannot be had.
    """
    engine.quiet()
    given = {} if settings.steps is None else {"steps": settings.steps}
    protocol = load_protocol(settings.model, given)
    name, folder = settings.sweep, settings.output_dir
    if name == COSTS:
        device, repeats = _device(settings.device or "cpu"), settings.repeats or 21
        table = cost_table(protocol, load_protocol("paper"), repeats, device=device)
        shown = table.round(4)
    else:
        table = run_sweep(name, _sweep(settings, protocol))
        figures.write(name, table, folder / f"{name}.png")
        shown = summary(name, table).round(5)
    return MethodTable(table, shown, _keep(folder / name, table, protocol, settings.model))


def _sweep(settings: Table2Settings, protocol: Protocol) -> Sweep:
    """Clips and codec of a sweep; what can be refused is refused before a clip is read."""
    trainer = {} if settings.precision is None else {"precision": settings.precision}
    build_trainer(protocol, trainer)
    codec = open_codec(protocol, settings.vae)
    if settings.clips is None:
        train, validation = town_index("town_train", protocol), town_index("town_val", protocol)
    else:
        whole = read_index(settings.clips, settings.clips_root)
        train, validation = whole.split("train"), whole.split("val")
    train_clips = FrameClips(at_most(train, settings.limit or len(train)), protocol)
    check_count(protocol, len(train_clips))
    kept = train_clips.in_memory() if train_clips.fits() else train_clips
    judged = held_out_clips(validation, protocol, settings.held_out)
    return Sweep(
        protocol,
        Clips(kept, judged, fitted_codec(codec, kept)),
        settings.output_dir,
        range(settings.seeds or 3),
        settings.imagined or 0,
        encoders=settings.encoders,
        methods=settings.methods or REPRESENTATIONS,
        blocks=settings.blocks,
        workers=settings.workers or 0,
        trainer=trainer,
    )


def _device(name: str) -> str:
    """Where steps are timed; UsageError for a device that torch does not have here."""
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:  # builds without CUDA assert
        reason = str(error).splitlines()[0]
        raise UsageError(f"device={name}: {reason}", "set device=cpu or device=cuda") from error
    return name


def _keep(path: Path, table: pd.DataFrame, protocol: Protocol, size: str) -> Path:
    """Write the table as parquet with its provenance, and its csv twin."""
    about = {"code_version": code_version(), "numpy": np.__version__, "blas": blas_name()}
    provenance = {"protocol": asdict(protocol), "model": size, **about}
    write_with_twin(path.with_suffix(".parquet"), table, provenance)
    return path.with_suffix(".parquet")
